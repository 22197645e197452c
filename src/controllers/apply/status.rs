//! The status of a zone, which is the operator's alone.

use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::{Applier, is_not_found, manager};
use crate::{
    api::{ConditionType, PciZoneStatus, names},
    controllers::{error::Error, hub::zone_resource, lenient::Lenient},
    engine::snapshot::ZoneRecord,
};

/// What a write of a status left in it of others, where it is ours alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// What others wrote and we never did. An apply leaves that alone.
    Strays,
}

impl Applier {
    /// Writes the status of a zone, by one write at most, which may leave something. The conditions of others stay. The
    /// count of confirmed changes never goes back, or a confirmation that was used up would fit again: where there is one,
    /// the count is written over what is really there.
    pub async fn set_status(&self, zone: &ZoneRecord, status: &PciZoneStatus) -> Result<Left, Error> {
        let resource = zone_resource();
        let (api, subject) = (self.zones(), format!("PciZone/{}", zone.name()));
        let mut version = None;
        if zone.metadata().annotations.iter().flatten().any(|(key, _)| key == names::CONFIRM_CHANGE) {
            let Some(Lenient(live)) = self.read("read", &subject, api.get_opt(zone.name())).await? else {
                return Ok(Left::Nothing);
            };
            let live = ZoneRecord::read(live);
            if live.status().is_some_and(|live| live.confirmed_changes > status.confirmed_changes) {
                return Err(Error::Contended { act: "write the status of", object: subject, tries: 1 });
            }
            version.clone_from(&live.metadata().resource_version);
        }
        let (name, uid) = (zone.name(), &zone.metadata().uid);
        let metadata = match version {
            Some(version) => json!({ "name": name, "uid": uid, "resourceVersion": version }),
            None => json!({ "name": name, "uid": uid }),
        };
        let patch = json!({
            "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "status": status,
        });
        let params = PatchParams::apply(names::MANAGER_STATUS).force();
        let patch = Patch::Apply(&patch);
        match self.call("write the status of", &subject, api.patch_status(zone.name(), &params, &patch)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Left::Nothing),
            Err(error) => Err(error),
            Ok(Lenient(written)) => {
                let strays = has_strays(&ZoneRecord::read(written), status);
                Ok(if strays { Left::Strays } else { Left::Nothing })
            }
        }
    }

    /// Takes out of the status of a zone what a write of it left.
    pub async fn clean_status(&self, zone: &ZoneRecord, status: &PciZoneStatus) -> Result<(), Error> {
        let (api, subject) = (self.zones(), format!("PciZone/{}", zone.name()));
        let live = self.read("read", &subject, api.get_opt(zone.name())).await?;
        let live = live.filter(|Lenient(live)| live.metadata.uid == zone.metadata().uid);
        let Some(patch) = live.and_then(|Lenient(live)| without_strays(live, status)) else { return Ok(()) };
        let params = manager(names::MANAGER_STATUS);
        let clean = api.patch_status(zone.name(), &params, &patch);
        self.call("clean the status of", &subject, clean).await.map(drop)
    }
}

fn has_strays(live: &ZoneRecord, status: &PciZoneStatus) -> bool {
    live.status().map(PciZoneStatus::without_foreign).as_ref() != Some(status)
}

/// What takes the strays out of a status, if there are any; for just the version that was looked at.
fn without_strays(live: DynamicObject, status: &PciZoneStatus) -> Option<Patch<()>> {
    let version = live.metadata.resource_version.clone();
    let conditions = live.data.pointer("/status/conditions").and_then(Value::as_array).cloned();
    if !has_strays(&ZoneRecord::read(live), status) {
        return None;
    }
    let mut wanted = json!(status);
    let is_foreign =
        |condition: &Value| !condition.get("type").and_then(Value::as_str).is_some_and(ConditionType::is_ours);
    let foreign = conditions.into_iter().flatten().filter(is_foreign);
    wanted.get_mut("conditions")?.as_array_mut()?.extend(foreign);
    let operations = json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
        // Also where somebody took the whole of it away.
        { "op": "add", "path": "/status", "value": wanted },
    ]);
    serde_json::from_value(operations).map(Patch::Json).ok()
}
