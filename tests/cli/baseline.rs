//! A first zone for what runs already, as it is told.

use crate::support::{NOW, folder, run_in};

/// A namespace as a chart writes it: a policy that names no ends, and a Service of pods that no policy holds.
const CHART: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: gateway}
spec:
  selector: {matchLabels: {app: gateway}}
  template:
    metadata: {labels: {app: gateway}}
    spec: {containers: [{name: proxy, image: auto, ports: [{containerPort: 15090, name: metrics}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: gateway}
spec:
  podSelector: {matchLabels: {app: gateway}}
  policyTypes: [Ingress, Egress]
  ingress:
  - ports: [{port: 80}, {port: 443}]
  - {}
  - ports: [{port: unknown}]
  egress:
  - {}
  - ports: [{port: 443, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec: {containers: [{name: db, image: \"db:1\", ports: [{containerPort: 5432}]}]}
";

#[test]
fn what_no_flow_can_say_is_told_with_pods_and_ports() {
    let folder = folder(&[("chart.yaml", CHART)]);
    let args = ["baseline", "shop", "--member", "shop", "-n", "shop", "-f", "chart.yaml", "--now", NOW];
    let run = run_in(folder.path(), &args, b"");
    assert_eq!(run.code, 0, "{run:?}");
    let (_, left) = run.stdout.split_once("# Open today, and no flow can say it:\n").expect("something is left");
    assert_eq!(
        left,
        "\
# - NetworkPolicy/shop/gateway egress[0] lets pods app=gateway in shop reach everybody on every port; say whom they need
# - NetworkPolicy/shop/gateway egress[1] lets pods app=gateway in shop reach everybody on TCP 443; say whom they need
# - NetworkPolicy/shop/gateway ingress[0] lets everybody reach pods app=gateway in shop on TCP 80, 443; say who needs that
# - NetworkPolicy/shop/gateway ingress[1] lets everybody reach pods app=gateway in shop on every port; say who needs that
# - NetworkPolicy/shop/gateway ingress[2] lets everybody reach pods app=gateway in shop on ports by name; say who needs that
# - pods app=db in shop accept connections from everybody; say who needs that
# - pods app=db in shop open connections to everybody; say whom they need
"
    );
}

#[test]
fn objects_without_a_namespace_are_told_before_they_are_missed() {
    let folder = folder(&[("chart.yaml", CHART)]);
    let told = "taken to be in namespace default: 4 objects without one; --namespace says which it is";
    for (more, code, is_told) in [(&[][..], 2, true), (&["-n", "shop"], 0, false), (&["--quiet"], 2, false)] {
        let mut args = vec!["baseline", "shop", "--member", "shop", "-f", "chart.yaml", "--now", NOW];
        args.extend(more);
        let run = run_in(folder.path(), &args, b"");
        assert_eq!((run.code, run.stderr.contains(told)), (code, is_told), "{more:?}: {run:?}");
    }
}
