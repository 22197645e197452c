//! Label selectors as sets: which of many objects a selector means, without a look at each.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::sets::{Classes, first};

/// Values that a selector is taken apart into, at most.
const CHOICES: usize = 64;

/// A selector in one form: equal ones are equal, whatever the order they were written in. All terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms(Vec<Term>);

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// It has one of these values.
    In(String, Vec<String>),
    /// It has none of these values. An absent label is not in the list either.
    NotIn(String, Vec<String>),
    /// It is there.
    Exists(String),
    /// It is not there.
    Absent(String),
}

impl Terms {
    /// Reads a selector; `None` for one that no API server takes.
    pub fn read(selector: &LabelSelector) -> Option<Self> {
        let labels = selector.match_labels.iter().flatten();
        let labels = labels.map(|(key, value)| Some(Term::In(key.clone(), vec![value.clone()])));
        let expressions = selector.match_expressions.iter().flatten().map(Term::read);
        Some(Terms::of(labels.chain(expressions).collect::<Option<Vec<Term>>>()?))
    }

    /// All of these must hold.
    pub fn of(mut terms: Vec<Term>) -> Self {
        terms.sort();
        terms.dedup();
        Terms(terms)
    }

    /// The label has this value.
    pub fn label(key: &str, value: &str) -> Self {
        Terms(vec![Term::In(key.to_string(), vec![value.to_string()])])
    }

    /// Each of these labels has its value.
    pub fn labels<'l>(labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> Self {
        let term = |(key, value): (&str, &str)| Term::In(key.to_string(), vec![value.to_string()]);
        let mut terms: Vec<Term> = labels.into_iter().map(term).collect();
        terms.sort();
        Terms(terms)
    }

    /// It means everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The selector in words; nothing where it means everything.
    pub fn words(&self) -> String {
        let word = |term: &Term| match term {
            Term::In(key, values) => match values.as_slice() {
                [value] => format!("{key}={value}"),
                values => format!("{key} in ({})", values.join(", ")),
            },
            Term::NotIn(key, values) => format!("{key} not in ({})", values.join(", ")),
            Term::Exists(key) => key.clone(),
            Term::Absent(key) => format!("!{key}"),
        };
        self.0.iter().map(word).collect::<Vec<_>>().join(",")
    }

    /// The labels that it reads.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|term| match term {
            Term::In(key, _) | Term::NotIn(key, _) | Term::Exists(key) | Term::Absent(key) => key.as_str(),
        })
    }

    /// The labels fit.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|term| match term {
            Term::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Term::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Term::Exists(key) => labels.contains_key(key),
            Term::Absent(key) => !labels.contains_key(key),
        })
    }

    /// Whatever it means, the other one means too, as far as its terms show one by one.
    pub fn narrows(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| self.0.iter().any(|term| term.implies(wanted)))
    }

    /// The one value that a label must have.
    pub fn pins(&self, label: &str) -> Option<&str> {
        self.0.iter().find_map(|term| match term {
            Term::In(key, values) if key == label => match values.as_slice() {
                [value] => Some(value.as_str()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Selectors that mean the same together, each with one value where there was a choice; itself where they were too many.
    pub fn each_value(&self) -> Vec<Self> {
        let choices = self.0.iter().map(|term| if let Term::In(_, values) = term { values.len() } else { 1 });
        if choices.fold(1, usize::saturating_mul) > CHOICES {
            return vec![self.clone()];
        }
        let mut all = vec![Vec::new()];
        for term in &self.0 {
            let values: Vec<Term> = match term {
                Term::In(key, values) => {
                    values.iter().map(|value| Term::In(key.clone(), vec![value.clone()])).collect()
                }
                _ => vec![term.clone()],
            };
            let with = |begun: &Vec<Term>, value: &Term| begun.iter().chain([value]).cloned().collect::<Vec<_>>();
            all = all.iter().flat_map(|begun| values.iter().map(move |value| with(begun, value))).collect();
        }
        all.into_iter().map(Terms).collect()
    }

    /// For each value that it leaves out, the same with just that value; at most as many as there may be choices.
    pub fn each_exception(&self) -> Vec<Self> {
        let of = |(at, term): (usize, &Term)| {
            let Term::NotIn(key, values) = term else { return Vec::new() };
            let with = |value: &String| {
                let others = self.0.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, term)| term.clone());
                Terms::of(others.chain([Term::In(key.clone(), vec![value.clone()])]).collect())
            };
            values.iter().map(with).collect()
        };
        self.0.iter().enumerate().flat_map(of).take(CHOICES).collect()
    }

    /// Labels that fit, if such can be made up.
    pub fn example(&self) -> Option<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        for term in &self.0 {
            match term {
                Term::In(key, values) => {
                    let fits = |value: &&String| self.allows(key, value);
                    labels.insert(key.clone(), values.iter().find(fits)?.clone());
                }
                Term::Exists(key) => {
                    labels.entry(key.clone()).or_insert_with(|| "any".to_string());
                }
                Term::NotIn(..) | Term::Absent(_) => {}
            }
        }
        self.matches(&labels).then_some(labels)
    }

    fn allows(&self, label: &str, value: &String) -> bool {
        self.0.iter().all(|term| match term {
            Term::In(key, values) => key != label || values.contains(value),
            Term::NotIn(key, values) => key != label || !values.contains(value),
            Term::Exists(_) => true,
            Term::Absent(key) => key != label,
        })
    }
}

impl Term {
    /// Labels that fit it fit the other one too.
    fn implies(&self, other: &Self) -> bool {
        let within = |some: &[String], all: &[String]| some.iter().all(|value| all.contains(value));
        match (self, other) {
            (Term::In(key, some), Term::In(label, all)) | (Term::NotIn(key, all), Term::NotIn(label, some)) => {
                key == label && within(some, all)
            }
            (Term::In(key, some), Term::NotIn(label, none)) => {
                key == label && !some.iter().any(|value| none.contains(value))
            }
            (Term::In(key, _) | Term::Exists(key), Term::Exists(label))
            | (Term::Absent(key), Term::Absent(label) | Term::NotIn(label, _)) => key == label,
            _ => false,
        }
    }

    fn read(requirement: &LabelSelectorRequirement) -> Option<Self> {
        let key = requirement.key.clone();
        let mut values = requirement.values.clone().unwrap_or_default();
        values.sort();
        values.dedup();
        match (requirement.operator.as_str(), values.is_empty()) {
            ("In", false) => Some(Term::In(key, values)),
            ("NotIn", false) => Some(Term::NotIn(key, values)),
            ("Exists", true) => Some(Term::Exists(key)),
            ("DoesNotExist", true) => Some(Term::Absent(key)),
            _ => None,
        }
    }
}

/// The labels of numbered objects, by key and value.
#[derive(Debug, Default)]
pub struct Labels {
    all: Classes,
    keys: HashMap<String, Values>,
}

#[derive(Debug, Default)]
struct Values {
    any: Classes,
    each: HashMap<String, Classes>,
}

impl Labels {
    /// Takes in the labels of numbered objects.
    pub fn new<'a>(objects: impl IntoIterator<Item = (u32, &'a BTreeMap<String, String>)>) -> Self {
        let (mut all, mut keys) = (Vec::new(), HashMap::<&str, HashMap<&str, Vec<u32>>>::new());
        for (number, labels) in objects {
            all.push(number);
            for (key, value) in labels {
                keys.entry(key.as_str()).or_default().entry(value.as_str()).or_default().push(number);
            }
        }
        let values = |(key, values): (&str, HashMap<&str, Vec<u32>>)| {
            let any = values.values().flatten().copied().collect();
            let each = values.into_iter().map(|(value, all)| (value.to_string(), all.into_iter().collect()));
            (key.to_string(), Values { any, each: each.collect() })
        };
        Labels { all: all.into_iter().collect(), keys: keys.into_iter().map(values).collect() }
    }

    /// All objects.
    pub fn all(&self) -> &Classes {
        &self.all
    }

    /// The objects that have a label with such a value.
    pub fn with(&self, key: &str, is_meant: impl Fn(&str) -> bool) -> Classes {
        let each = self.keys.get(key).into_iter().flat_map(|values| &values.each);
        each.filter(|(value, _)| is_meant(value)).fold(first(0), |all, (_, some)| &all | some)
    }

    /// The objects that a selector means.
    pub fn select(&self, terms: &Terms) -> Classes {
        let none = first(0);
        let with = |key: &str| self.keys.get(key).map_or(&none, |values| &values.any);
        let valued = |key: &str, values: &[String]| {
            let held = self.keys.get(key);
            let each = values.iter().filter_map(|value| held?.each.get(value));
            each.fold(none.clone(), |all, some| &all | some)
        };
        // What must be there comes first: it is small, and what must not be there is cut out of it.
        let mut chosen: Option<Classes> = None;
        for term in &terms.0 {
            let some = match term {
                Term::In(key, values) => valued(key, values),
                Term::Exists(key) => with(key).clone(),
                Term::NotIn(..) | Term::Absent(_) => continue,
            };
            chosen = Some(match chosen {
                Some(all) => &all & &some,
                None => some,
            });
        }
        let chosen = chosen.unwrap_or_else(|| self.all.clone());
        terms.0.iter().fold(chosen, |chosen, term| match term {
            Term::NotIn(key, values) => &chosen - &valued(key, values),
            Term::Absent(key) => &chosen - with(key),
            Term::In(..) | Term::Exists(_) => chosen,
        })
    }
}
