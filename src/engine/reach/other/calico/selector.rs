//! Calico's language of selectors.

use crate::engine::reach::{
    Labels, Term, Terms,
    sets::{Classes, first},
};

/// A selector.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Everything.
    All,
    /// What is in no namespace.
    Global,
    /// A test of one label.
    Label(String, Test),
    /// Not that.
    Not(Box<Expr>),
    /// All of these.
    And(Vec<Expr>),
    /// One of these.
    Or(Vec<Expr>),
}

/// A test of a label.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is there.
    Has,
    /// It is one of these.
    In(Vec<String>),
    /// It is none of these, or not there.
    NotIn(Vec<String>),
    /// It contains this.
    Contains(String),
    /// It begins with this.
    StartsWith(String),
    /// It ends with this.
    EndsWith(String),
}

impl Test {
    /// It holds for the value of a label.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let has = |list: &[String]| value.is_some_and(|value| list.iter().any(|one| one == value));
        match self {
            Test::Has => value.is_some(),
            Test::In(list) => has(list),
            Test::NotIn(list) => !has(list),
            Test::Contains(part) => value.is_some_and(|value| value.contains(part.as_str())),
            Test::StartsWith(part) => value.is_some_and(|value| value.starts_with(part.as_str())),
            Test::EndsWith(part) => value.is_some_and(|value| value.ends_with(part.as_str())),
        }
    }
}

/// What is known of the objects that a selector is asked about.
pub struct Known<'k> {
    /// Their labels.
    pub labels: &'k Labels,
    /// They are in no namespace.
    pub are_global: bool,
    /// Labels that they have beside those: which of them a test means.
    pub more: &'k dyn Fn(&str, &Test) -> Option<Classes>,
}

impl Expr {
    /// The objects that it means.
    pub fn select(&self, known: &Known) -> Classes {
        let all = known.labels.all();
        match self {
            Expr::All => all.clone(),
            Expr::Global if known.are_global => all.clone(),
            Expr::Global => first(0),
            Expr::Label(key, test) => {
                if let Some(chosen) = (known.more)(key, test) {
                    return chosen;
                }
                let with = known.labels.with(key, |value| test.holds(Some(value)));
                if test.holds(None) { &with | &(all - &known.labels.with(key, |_| true)) } else { with }
            }
            Expr::Not(expr) => all - &expr.select(known),
            Expr::And(all_of) => all_of.iter().fold(all.clone(), |left, expr| &left & &expr.select(known)),
            Expr::Or(one_of) => one_of.iter().fold(first(0), |all, expr| &all | &expr.select(known)),
        }
    }

    /// It means an object with these labels. `in_namespace`: what `all()` means, of a selector of namespaces.
    pub fn matches<'l>(&self, in_namespace: bool, label: &impl Fn(&str) -> Option<&'l str>) -> bool {
        match self {
            Expr::All => in_namespace,
            Expr::Global => !in_namespace,
            Expr::Label(key, test) => test.holds(label(key)),
            Expr::Not(expr) => !expr.matches(in_namespace, label),
            Expr::And(all) => all.iter().all(|expr| expr.matches(in_namespace, label)),
            Expr::Or(one) => one.iter().any(|expr| expr.matches(in_namespace, label)),
        }
    }

    /// The labels that it reads.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Expr::All | Expr::Global => Vec::new(),
            Expr::Label(key, _) => vec![key],
            Expr::Not(expr) => expr.keys(),
            Expr::And(list) | Expr::Or(list) => list.iter().flat_map(Expr::keys).collect(),
        }
    }

    /// `global()` is in it.
    pub fn has_global(&self) -> bool {
        match self {
            Expr::Global => true,
            Expr::All | Expr::Label(..) => false,
            Expr::Not(expr) => expr.has_global(),
            Expr::And(list) | Expr::Or(list) => list.iter().any(Expr::has_global),
        }
    }

    /// The same as requirements of which one list must hold, as far as that can be said so; it may mean more then.
    pub fn lists(&self) -> Vec<Terms> {
        let lists = self.normal(true);
        if lists.len() > LISTS { vec![Terms::default()] } else { lists.into_iter().map(Terms::of).collect() }
    }

    fn normal(&self, holds: bool) -> Vec<Vec<Term>> {
        match (self, holds) {
            (Expr::All, true) | (Expr::Global, false) => vec![Vec::new()],
            (Expr::All, false) | (Expr::Global, true) => Vec::new(),
            (Expr::Label(key, test), holds) => {
                let key = key.clone();
                let term = match (test, holds) {
                    (Test::In(list), true) | (Test::NotIn(list), false) => Term::In(key, list.clone()),
                    (Test::In(list), false) | (Test::NotIn(list), true) => Term::NotIn(key, list.clone()),
                    (Test::Has | Test::Contains(_) | Test::StartsWith(_) | Test::EndsWith(_), true) => {
                        Term::Exists(key)
                    }
                    (Test::Has, false) => Term::Absent(key),
                    (Test::Contains(_) | Test::StartsWith(_) | Test::EndsWith(_), false) => return vec![Vec::new()],
                };
                vec![vec![term]]
            }
            (Expr::Not(expr), holds) => expr.normal(!holds),
            (Expr::And(list), true) | (Expr::Or(list), false) => {
                list.iter().fold(vec![Vec::new()], |all: Vec<Vec<Term>>, expr| {
                    let more = expr.normal(holds);
                    if all.len().saturating_mul(more.len()) > LISTS {
                        // What it means beside this is left out, so it means more.
                        return all;
                    }
                    let joined = all.iter().flat_map(|one| more.iter().map(|two| [one.as_slice(), two].concat()));
                    joined.collect()
                })
            }
            (Expr::And(list), false) | (Expr::Or(list), true) => {
                list.iter().flat_map(|expr| expr.normal(holds)).collect()
            }
        }
    }
}

/// Lists of requirements from which on they are not told apart.
const LISTS: usize = 32;
