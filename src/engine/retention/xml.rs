//! XML as S3 sends it: elements and text. What else XML can do, and what lies too deep, is refused.

use quick_xml::{Reader, XmlVersion, events::Event};

/// The deepest that elements may lie within each other, and how many there may be.
const DEPTH: usize = 16;
const ELEMENTS: usize = 20_000;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name without a prefix.
    pub name: String,
    /// Its text, without space around it.
    pub text: String,
    /// What is in it.
    pub children: Vec<Element>,
}

impl Element {
    /// The elements of a name in it.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The one element of a name in it, if there is one.
    pub fn one(&self, name: &str) -> Result<Option<&Element>, String> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (one, None) => Ok(one),
            _ => Err(format!("{} has more than one {name}", self.name)),
        }
    }

    /// Whether there is nothing in it but these.
    pub fn is_known(&self, names: &[&str]) -> bool {
        self.children.iter().all(|child| names.contains(&child.name.as_str()))
    }
}

/// Reads a document with this root.
pub fn read(text: &str, root: &str) -> Result<Element, String> {
    let broken = || "it is no XML that can be read".to_string();
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut number = 0;
    loop {
        let event = reader.read_event().map_err(|_| broken())?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                number += 1;
                if open.len() > DEPTH || number > ELEMENTS {
                    return Err("its elements are too many or lie too deep".to_string());
                }
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                open.push(Element { name, ..Element::default() });
                if matches!(event, Event::Empty(_)) {
                    close(&mut open);
                }
            }
            Event::End(_) => close(&mut open),
            Event::Text(text) => {
                let text = text.xml_content(XmlVersion::Implicit1_0).map_err(|_| broken())?;
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                let named = match reference.decode().map_err(|_| broken())?.as_ref() {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => None,
                };
                let char = match named {
                    Some(char) => Some(char),
                    None => reference.resolve_char_ref().map_err(|_| broken())?,
                };
                let char = char.ok_or("it refers to something outside")?;
                if let Some(element) = open.last_mut() {
                    element.text.push(char);
                }
            }
            Event::Decl(_) | Event::Comment(_) => {}
            Event::CData(_) | Event::DocType(_) | Event::PI(_) => return Err("it is no plain XML".to_string()),
            Event::Eof => break,
        }
    }
    match open.as_slice() {
        [all] if all.text.trim().is_empty() => match all.children.as_slice() {
            [one] if one.name == root => Ok(one.clone()),
            _ => Err(format!("it is no {root}")),
        },
        _ => Err("it ends too early".to_string()),
    }
}

/// Puts the innermost element into the one around it.
fn close(open: &mut Vec<Element>) {
    if let Some(mut element) = open.pop() {
        element.text = element.text.trim().to_string();
        match open.last_mut() {
            Some(around) => around.children.push(element),
            None => open.push(element),
        }
    }
}
