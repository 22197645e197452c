//! The definition of the kind as it is shipped in `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

use super::PciZone;

/// The definition to apply. It differs from the derived one in one thing: `status` has a default, so that
/// tools which compare generations wait until the operator has seen the zone. The default must sit on
/// `status` itself; on `observedGeneration` alone it does nothing, because the API server does not go into
/// an object that is not there.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = PciZone::crd();
    let status = crd.spec.versions.iter_mut().filter_map(|version| {
        version.schema.as_mut()?.open_api_v3_schema.as_mut()?.properties.as_mut()?.get_mut("status")
    });
    for status in status {
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    }
    crd
}
