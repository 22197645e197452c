//! Loki: its configuration with defaults, and what single tenants have instead. Without the compactor's retention nothing is deleted.

use serde_json::{Map, Value};

use super::{
    Answers, Wanted,
    answer::{body, shown, whole},
    length::{Length, prometheus},
    term::{Term, Terms},
};

const CONFIG: &str = "/config";
const RUNTIME: &str = "/runtime_config";
/// What Loki sends where it has no such file.
const NO_RUNTIME: &str = "runtime config file doesn't exist";

/// The paths that are to be asked for.
pub fn requests() -> Vec<String> {
    vec![CONFIG.to_string(), RUNTIME.to_string()]
}

/// How long the tenant's records are kept.
pub fn terms(tenant: &str, answers: &Answers, wanted: Wanted) -> Terms {
    let config = yaml(CONFIG, body(answers, CONFIG)?)?;
    let defaults = config.get("limits_config").and_then(Value::as_object);
    let defaults = defaults.ok_or("/config has no limits_config")?;
    let overrides = overrides(tenant, &config, answers)?;
    let limits = Limits { tenant, overrides: overrides.as_ref(), defaults };
    let lookback = limits.length("max_query_lookback")?.unwrap_or_default();
    let mut all = vec![compactor(&config, &limits, wanted), Ok(table_manager(&config)?)];
    if lookback > Length::ZERO {
        let by =
            format!("max_query_lookback {} limits how far back tenant “{}” searches", lookback.words(), shown(tenant));
        all.push(Ok(Term { searchable: Some(lookback), searchable_by: by, ..Term::default() }));
    }
    Ok(all)
}

/// What a tenant may do: its own limits before those of all.
struct Limits<'a> {
    tenant: &'a str,
    overrides: Option<&'a Map<String, Value>>,
    defaults: &'a Map<String, Value>,
}

impl<'a> Limits<'a> {
    fn value(&self, key: &str) -> Option<&'a Value> {
        let own = self.overrides.and_then(|own| own.get(key));
        own.or_else(|| self.defaults.get(key)).filter(|value| !value.is_null())
    }

    fn length(&self, key: &str) -> Result<Option<Length>, String> {
        self.value(key).map(|value| length(key, value)).transpose()
    }
}

fn compactor(config: &Map<String, Value>, limits: &Limits, wanted: Wanted) -> Result<Term, String> {
    let note = "A lifecycle rule of the bucket would delete sooner, and is not seen here.".to_string();
    match config.get("compactor").and_then(|compactor| compactor.get("retention_enabled")) {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Term::for_ever(note)),
        _ => return Err("/config does not say whether the compactor deletes (compactor.retention_enabled)".to_string()),
    }
    let tenant = shown(limits.tenant);
    let general = limits.length("retention_period")?.ok_or("/config has no limits_config.retention_period")?;
    let general = Some(general).filter(|length| *length > Length::ZERO);
    let empty = Vec::new();
    let streams = match limits.value("retention_stream") {
        None => &empty,
        Some(Value::Array(streams)) => streams,
        Some(_) => return Err("limits_config.retention_stream is no list".to_string()),
    };
    let mut shortest: Option<(Length, String)> = None;
    let mut is_longer = false;
    for stream in streams {
        let selector = stream.get("selector").and_then(Value::as_str);
        let (Some(selector), Some(period)) = (selector, stream.get("period")) else {
            return Err("limits_config.retention_stream has an entry without selector or period".to_string());
        };
        let period = length("retention_stream.period", period)?;
        if period >= Length::days(wanted.days.into()) || period == Length::ZERO {
            is_longer = true;
        } else if shortest.as_ref().is_none_or(|(shortest, _)| period < *shortest) {
            shortest = Some((period, shown(selector)));
        }
    }
    let by = |length: Length| format!("retention_period of tenant “{tenant}” is {}", length.words());
    match (general, shortest) {
        // The longer one may be meant for these records, or not.
        (Some(general), _) if general < Length::days(wanted.days.into()) && is_longer => {
            Err(format!("{}, and whether a longer retention_stream is for these records is not known", by(general)))
        }
        (Some(general), _) if general < Length::days(wanted.days.into()) => Ok(Term::kept(general, by(general))),
        (_, Some((period, selector))) => Err(format!(
            "A retention_stream of tenant “{tenant}” keeps {selector} for {} only, and whether these records are among it is not known",
            period.words()
        )),
        (Some(general), None) => Ok(Term::kept(general, by(general)).noted(&note)),
        (None, None) => Ok(Term::for_ever(note)),
    }
}

/// What deleted before the compactor did.
fn table_manager(config: &Map<String, Value>) -> Result<Term, String> {
    let Some(manager) = config.get("table_manager").filter(|manager| !manager.is_null()) else {
        return Ok(Term::default());
    };
    match (manager.get("retention_deletes_enabled"), manager.get("retention_period")) {
        (None | Some(Value::Bool(false)), _) => Ok(Term::default()),
        (Some(Value::Bool(true)), Some(period)) => {
            let period = length("table_manager.retention_period", period)?;
            let kept = Some(period).filter(|length| *length > Length::ZERO);
            let by = format!("table_manager.retention_period is {}", period.words());
            Ok(Term { kept, by, ..Term::default() })
        }
        _ => Err("/config does not say for how long the table manager keeps tables".to_string()),
    }
}

/// The tenant's own limits, if it has some.
fn overrides(
    tenant: &str,
    config: &Map<String, Value>,
    answers: &Answers,
) -> Result<Option<Map<String, Value>>, String> {
    let file = config.get("runtime_config").and_then(|runtime| runtime.get("file")).and_then(Value::as_str);
    if file == Some("") {
        return Ok(None);
    }
    let text = body(answers, RUNTIME)?;
    if text.trim() == NO_RUNTIME {
        return Ok(None);
    }
    let mut runtime = yaml(RUNTIME, text)?;
    match runtime.remove("overrides") {
        Some(Value::Object(mut overrides)) => match overrides.remove(tenant) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(own)) => Ok(Some(own)),
            Some(_) => {
                Err(format!("/runtime_config has overrides of tenant “{}” in a form that is not known", shown(tenant)))
            }
        },
        Some(Value::Null) => Ok(None),
        _ => Err("/runtime_config has no overrides".to_string()),
    }
}

fn length(key: &str, value: &Value) -> Result<Length, String> {
    let length = value.as_str().and_then(prometheus).or_else(|| whole(value).filter(|n| *n == 0).map(|_| Length::ZERO));
    length.ok_or_else(|| format!("{key} is no length of time: {}", shown(&value.to_string())))
}

fn yaml(path: &str, text: &str) -> Result<Map<String, Value>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_events: 200_000,
            max_nodes: 100_000,
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
        },
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options(text, options) {
        Ok(Value::Object(object)) => Ok(object),
        _ if text.trim_start().starts_with('<') => {
            Err(format!("{path} answered with a web page: a login or a proxy stands before the store"))
        }
        Ok(_) => Err(format!("The answer of {path} is no configuration")),
        Err(_) => Err(format!("The answer of {path} is no YAML that can be read")),
    }
}
