//! The line of a field. Looked for only where there is something to say about it.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{
    documents::options,
    fault::{Field, Step},
};

/// The line of a field, or of the nearest above it that is there; `item`: the number of the object in its list.
pub(super) fn line(document: &str, item: Option<usize>, field: &Field) -> Option<u64> {
    let item = item.map(|item| [Step::Key("items".to_string()), Step::Index(item)]);
    let way: Vec<Step> = item.into_iter().flatten().chain(field.0.iter().cloned()).collect();
    (0..=way.len()).rev().find_map(|length| {
        let way = way.get(..length)?;
        let found = serde_saphyr::with_deserializer_from_str_with_options(document, options(), |deserializer| {
            Way(way).deserialize(deserializer)
        });
        found.ok().flatten()
    })
}

/// The rest of the way to a field.
#[derive(Clone, Copy)]
struct Way<'a>(&'a [Step]);

fn known(location: Location) -> Option<u64> {
    (location != Location::UNKNOWN).then(|| location.line())
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        if self.0.is_empty() {
            let Spanned { referenced, .. } = Spanned::<IgnoredAny>::deserialize(deserializer)?;
            return Ok(known(referenced));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<u64>, A::Error> {
        let mut line = None;
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            match self.0.split_first() {
                Some((Step::Key(wanted), rest)) if *wanted == key.value && line.is_none() => {
                    if rest.is_empty() {
                        // A value may begin in the line below.
                        line = known(key.referenced);
                        entries.next_value::<IgnoredAny>()?;
                    } else {
                        line = entries.next_value_seed(Way(rest))?;
                    }
                }
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(line)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<u64>, A::Error> {
        let mut line = None;
        let mut number = 0;
        loop {
            let found = match self.0.split_first() {
                Some((Step::Index(wanted), rest)) if *wanted == number => {
                    list.next_element_seed(Way(rest))?.map(|found| line = found)
                }
                _ => list.next_element::<IgnoredAny>()?.map(drop),
            };
            if found.is_none() {
                return Ok(line);
            }
            number += 1;
        }
    }
}
