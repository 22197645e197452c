//! Writes YAML, and every text in it as a JSON string, which YAML reads as the same text.

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// Values in their order.
    List(Vec<Node>),
    /// Names with their values, in their order.
    Map(Vec<(String, Node)>),
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Node::Text(text.to_string())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Node::Text(text)
    }
}

impl From<u64> for Node {
    fn from(number: u64) -> Self {
        Node::Number(number)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Node::Flag(flag)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Node::List(list.into_iter().map(Into::into).collect())
    }
}

/// Names with their values, as they are to stand in the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Map(Vec<(String, Node)>);

impl Map {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With this too.
    pub(super) fn with(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.0.push((name.to_string(), value.into()));
        self
    }

    /// With these too.
    pub(super) fn and(mut self, more: Map) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a file.
    pub(super) fn write(&self, about: &str) -> String {
        let mut text = format!("# {}\n", about.replace(char::is_control, " "));
        map(&mut text, &self.0, 0);
        text
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Node::Map(map.0)
    }
}

/// A text in quotes.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name without quotes where it is a plain word.
fn name(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.';
    // These words are truth values to some readers of YAML.
    if !text.is_empty() && text.bytes().all(is_plain) && !matches!(text, "on" | "off" | "yes" | "no" | "y" | "n") {
        return text.to_string();
    }
    literal(text)
}

fn map(text: &mut String, entries: &[(String, Node)], depth: usize) {
    for (position, (key, value)) in entries.iter().enumerate() {
        // The first of a map in a list stands behind the list's dash.
        if position > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        text.push_str(&name(key));
        text.push(':');
        node(text, value, depth + 1);
    }
}

fn node(text: &mut String, value: &Node, depth: usize) {
    // To write into a text cannot fail.
    let _ = match value {
        Node::Text(value) => writeln!(text, " {}", literal(value)),
        Node::Number(value) => writeln!(text, " {value}"),
        Node::Flag(value) => writeln!(text, " {value}"),
        Node::List(values) if values.is_empty() => writeln!(text, " []"),
        Node::Map(entries) if entries.is_empty() => writeln!(text, " {{}}"),
        Node::List(values) => {
            text.push('\n');
            for value in values {
                list_item(text, value, depth);
            }
            Ok(())
        }
        Node::Map(entries) => {
            text.push('\n');
            map(text, entries, depth);
            Ok(())
        }
    };
}

fn list_item(text: &mut String, value: &Node, depth: usize) {
    indent(text, depth);
    text.push('-');
    match value {
        Node::Map(entries) if !entries.is_empty() => {
            text.push(' ');
            map(text, entries, depth + 1);
        }
        other => node(text, other, depth + 1),
    }
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn whatever_a_text_holds_it_is_read_as_the_same_text() {
        for hostile in [
            "",
            "on",
            "no",
            "1e3",
            "~",
            "a: b",
            "- x",
            "\"'",
            "a\nb: c",
            "\u{85}\u{2028}\t\u{7}",
            "#",
            "*a",
            "{{x}}",
            "\\",
        ] {
            let inner = Map::new().with(hostile, hostile).with("name", vec![hostile, "x"]);
            let text = Map::new()
                .with("list", Node::List(vec![inner.clone().into(), Node::List(vec![]), 7.into()]))
                .with("map", inner)
                .with("flag", true)
                .write(hostile);
            let read: Value = serde_saphyr::from_str(&text).unwrap();
            let map = json!({ hostile: hostile, "name": [hostile, "x"] });
            assert_eq!(read, json!({ "list": [map, [], 7], "map": map, "flag": true }), "{text}");
        }
    }
}
