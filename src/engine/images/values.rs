//! Values of reports, whatever they are: one of another type than it should be is not there. A report is read as it comes, and what does not
//! decide is passed over at once, so that nothing of a megabyte stays but what is asked for.

use std::{fmt, marker::PhantomData};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
    value::MapAccessDeserializer,
};

/// Letters of a text that are kept. One more than any text may have by which things are told apart, so that none becomes another one
/// when it is cut.
pub(super) const LETTERS: usize = 513;

/// A text; a number is one too, since versions are written so by hand.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    deserializer.deserialize_any(Text)
}

/// A whole number.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_any(Number)
}

/// What has fields.
pub(super) fn fields<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Fields(PhantomData))
}

/// A list of what has fields; none where an entry is something else.
pub(super) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    deserializer.deserialize_any(List(PhantomData))
}

/// How many entries a list has.
pub(super) fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    deserializer.deserialize_any(Entries)
}

/// As much of a text as people are shown.
pub(super) fn cut(text: &str, letters: usize) -> String {
    text.chars().take(letters).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What a visitor does with types that it does not want.
macro_rules! otherwise {
    ($nothing:expr; $($what:ident)+) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        $(otherwise!(@$what $nothing);)+
    };
    (@text $nothing:expr) => {
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
    (@number $nothing:expr) => {
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
    (@fraction $nothing:expr) => {
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
    (@map $nothing:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }
    };
    (@list $nothing:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }
    };
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Option<Box<str>>;

    otherwise!(None; map list);

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        let end = value.char_indices().nth(LETTERS).map_or(value.len(), |(end, _)| end);
        Ok(value.get(..end).map(Box::from))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }
}

struct Number;

impl<'de> Visitor<'de> for Number {
    type Value = Option<i64>;

    otherwise!(None; text fraction map list);

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(value.try_into().ok())
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Option<T>;

    otherwise!(None; text number fraction list);

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Fields<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

struct List<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Option<Vec<T>>;

    otherwise!(None; text number fraction map);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Some(Vec::new());
        while let Some(one) = list.next_element_seed(Fields(PhantomData))? {
            match (&mut all, one) {
                (Some(all), Some(one)) => all.push(one),
                (_, None) => all = None,
                (None, Some(_)) => {}
            }
        }
        Ok(all)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = usize;

    otherwise!(0; text number fraction map);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "text")]
        text: Option<Box<str>>,
        #[serde(deserialize_with = "number")]
        number: Option<i64>,
        #[serde(deserialize_with = "fields")]
        inner: Option<Box<Sample>>,
        #[serde(deserialize_with = "list")]
        list: Option<Vec<Sample>>,
        #[serde(deserialize_with = "entries")]
        entries: usize,
    }

    /// Out of a value, and as it comes.
    fn read(value: &Value) -> Sample {
        let one = Sample::deserialize(value).unwrap();
        assert_eq!(one, serde_json::from_str(&value.to_string()).unwrap(), "{value}");
        one
    }

    #[test]
    fn what_is_of_another_type_is_not_there_and_the_rest_is_read() {
        let wrong =
            [json!(null), json!(true), json!([[1], {"a": 1}]), json!({"a": [{}]}), json!("x"), json!(3), json!(1.5)];
        for (field, taken) in
            [("text", vec![4, 5, 6]), ("number", vec![5]), ("inner", vec![3]), ("list", vec![]), ("entries", vec![2])]
        {
            for (number, wrong) in wrong.iter().enumerate() {
                let mut value = json!({ "text": "t", "number": 7, "other": [{"deep": {}}] });
                value[field] = wrong.clone();
                let mut rest = read(&value);
                let taken_here = match field {
                    "text" => rest.text.take().is_some(),
                    "number" => rest.number.take().is_some(),
                    "inner" => rest.inner.take().is_some(),
                    "list" => rest.list.take().is_some(),
                    _ => std::mem::take(&mut rest.entries) > 0,
                };
                assert_eq!(taken_here, taken.contains(&number), "{field}: {wrong}");
                assert!(field == "text" || rest.text.as_deref() == Some("t"));
                assert!(field == "number" || rest.number == Some(7));
            }
        }
    }

    #[test]
    fn a_text_is_bounded_by_letters_and_a_number_that_does_not_fit_is_none() {
        let long = "ö".repeat(10_000);
        assert_eq!(read(&json!({ "text": long })).text.unwrap().chars().count(), LETTERS);
        assert_eq!(read(&json!({ "text": 1.25 })).text.as_deref(), Some("1.25"));
        assert_eq!(read(&json!({ "number": u64::MAX })).number, None);
        assert_eq!(read(&json!({ "number": i64::MIN })).number, Some(i64::MIN));
        assert_eq!(cut("a\nböc\u{1b}", 5), "a böc");
    }

    #[test]
    fn a_list_with_something_else_in_it_is_none() {
        assert_eq!(read(&json!({ "list": [] })).list, Some(vec![]));
        assert_eq!(read(&json!({ "list": [{}, {}] })).list.map(|list| list.len()), Some(2));
        assert_eq!(read(&json!({ "list": [{}, 3, {}] })).list, None);
        assert_eq!(read(&json!({ "entries": [1, {}, [2]] })).entries, 3);
    }
}
