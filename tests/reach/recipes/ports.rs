//! Ports by number, by range and by name.

use super::{
    Expected::{Allowed, NoEgress, NoIngress},
    Recipe,
};
use crate::oracle::Protocol::{Sctp, Tcp, Udp};

pub(super) const RECIPES: &[Recipe] = &[
    Recipe {
        name: "an entry that names no protocol means TCP",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: kube-system, name: port }
spec: { podSelector: {}, ingress: [{ ports: [{ port: 53 }] }] }
",
        probes: &[
            ("shop/web", "kube-system/dns", Tcp, 53, Allowed),
            ("shop/web", "kube-system/dns", Udp, 53, NoIngress),
            ("shop/web", "kube-system/dns", Sctp, 53, NoIngress),
        ],
    },
    Recipe {
        name: "an entry that names no port means all ports of its protocol",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: kube-system, name: protocol }
spec: { podSelector: {}, ingress: [{ ports: [{ protocol: UDP }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: nothing }
spec: { podSelector: {}, ingress: [{ ports: [{}] }] }
",
        probes: &[
            ("shop/web", "kube-system/dns", Udp, 1, Allowed),
            ("shop/web", "kube-system/dns", Udp, 65535, Allowed),
            ("shop/web", "kube-system/dns", Tcp, 53, NoIngress),
            ("shop/web", "vault/db", Tcp, 1, Allowed),
            ("shop/web", "vault/db", Udp, 1, NoIngress),
        ],
    },
    Recipe {
        name: "ranges of one port, of all ports, and the wrong way round",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: ranges }
spec:
  podSelector: {}
  ingress:
  - ports: [{ port: 80, endPort: 80 }, { protocol: UDP, port: 1, endPort: 65535 }, { port: 90, endPort: 85 }]
",
        probes: &[
            ("shop/web", "vault/db", Tcp, 80, Allowed),
            ("shop/web", "vault/db", Tcp, 79, NoIngress),
            ("shop/web", "vault/db", Tcp, 81, NoIngress),
            ("shop/web", "vault/db", Udp, 1, Allowed),
            ("shop/web", "vault/db", Udp, 65535, Allowed),
            ("shop/web", "vault/db", Tcp, 85, NoIngress),
            ("shop/web", "vault/db", Tcp, 87, NoIngress),
            ("shop/web", "vault/db", Tcp, 90, NoIngress),
        ],
    },
    Recipe {
        name: "a name is the port that the pod gives it",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: http }
spec: { podSelector: {}, ingress: [{ ports: [{ port: http }] }] }
",
        probes: &[
            ("lab/probe", "shop/web", Tcp, 80, Allowed),
            ("lab/probe", "shop/web", Tcp, 8080, NoIngress),
            ("lab/probe", "shop/web", Tcp, 9090, NoIngress),
            ("lab/probe", "shop/api", Tcp, 8080, Allowed),
            ("lab/probe", "shop/api", Tcp, 80, NoIngress),
            ("lab/probe", "shop/cron", Tcp, 80, NoIngress),
        ],
    },
    Recipe {
        name: "the name on the way out is a port of the destination, and of no address",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: http }
spec: { podSelector: {}, policyTypes: [Egress], egress: [{ ports: [{ port: http }] }] }
",
        probes: &[
            ("shop/api", "shop/web", Tcp, 80, Allowed),
            ("shop/api", "shop/web", Tcp, 8080, NoEgress),
            ("shop/web", "shop/api", Tcp, 8080, Allowed),
            ("shop/web", "lab/web", Tcp, 80, Allowed),
            ("shop/web", "198.51.100.7", Tcp, 80, NoEgress),
            ("shop/web", "shop/cron", Tcp, 80, NoEgress),
        ],
    },
    Recipe {
        name: "a name counts for the protocol that both give it",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: kube-system, name: names }
spec:
  podSelector: {}
  ingress: [{ ports: [{ protocol: UDP, port: dns }, { protocol: UDP, port: dns-tcp }, { protocol: SCTP, port: dns }] }]
",
        probes: &[
            ("shop/web", "kube-system/dns", Udp, 53, Allowed),
            ("shop/web", "kube-system/dns", Tcp, 53, NoIngress),
            ("shop/web", "kube-system/dns", Sctp, 53, NoIngress),
        ],
    },
    Recipe {
        name: "a name that two containers give to two ports is both",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: vault, name: twins }
spec:
  containers:
  - { name: one, ports: [{ name: admin, containerPort: 7001 }] }
  - { name: two, ports: [{ name: admin, containerPort: 7002 }, { name: other, containerPort: 7003 }] }
  - { name: three, ports: [{ name: admin, containerPort: 7004, protocol: UDP }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: admin }
spec: { podSelector: {}, ingress: [{ ports: [{ port: admin }] }] }
",
        probes: &[
            ("shop/web", "vault/twins", Tcp, 7001, Allowed),
            ("shop/web", "vault/twins", Tcp, 7002, Allowed),
            ("shop/web", "vault/twins", Tcp, 7003, NoIngress),
            ("shop/web", "vault/twins", Tcp, 7004, NoIngress),
            ("shop/web", "vault/twins", Udp, 7004, NoIngress),
        ],
    },
    Recipe {
        name: "names of init containers count when they keep running",
        manifests: "
apiVersion: v1
kind: Pod
metadata: { namespace: vault, name: meshed }
spec:
  initContainers:
  - { name: proxy, restartPolicy: Always, ports: [{ name: mesh, containerPort: 15001 }] }
  - { name: migrate, ports: [{ name: mesh, containerPort: 15002 }] }
  containers: [{ name: app }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: vault, name: mesh }
spec: { podSelector: {}, ingress: [{ ports: [{ port: mesh }] }] }
",
        probes: &[
            ("shop/web", "vault/meshed", Tcp, 15001, Allowed),
            ("shop/web", "vault/meshed", Tcp, 15002, NoIngress),
        ],
    },
    Recipe {
        name: "a number needs no container that declares it",
        manifests: "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { namespace: shop, name: undeclared }
spec: { podSelector: {}, ingress: [{ ports: [{ port: 6060 }, { protocol: UDP, port: 6061 }] }] }
",
        probes: &[
            ("lab/probe", "shop/cron", Tcp, 6060, Allowed),
            ("lab/probe", "shop/cron", Udp, 6061, Allowed),
            ("lab/probe", "shop/cron", Tcp, 6061, NoIngress),
            ("lab/probe", "shop/web", Tcp, 80, NoIngress),
        ],
    },
];
