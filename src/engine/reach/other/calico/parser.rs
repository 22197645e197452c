//! Reads Calico's language of selectors.

use super::selector::{Expr, Test};

/// How deep brackets and negations may be nested.
const DEEP: usize = 64;

/// Reads a selector; an empty one means everything.
pub fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text, deep: 0 };
    parser.skip();
    if parser.rest.is_empty() {
        return Ok(Expr::All);
    }
    let expr = parser.one_of()?;
    if parser.rest.is_empty() { Ok(expr) } else { Err(parser.strange()) }
}

struct Parser<'t> {
    rest: &'t str,
    deep: usize,
}

impl Parser<'_> {
    fn strange(&self) -> String {
        let here: String = self.rest.chars().take(20).collect();
        if here.is_empty() { "a selector that ends too early".to_string() } else { format!("a selector with {here:?}") }
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Takes this, if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest;
        self.skip();
        true
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.take(text) { Ok(()) } else { Err(self.strange()) }
    }

    fn one_of(&mut self) -> Result<Expr, String> {
        let mut all = vec![self.all_of()?];
        while self.take("||") {
            all.push(self.all_of()?);
        }
        Ok(single(all, Expr::Or))
    }

    fn all_of(&mut self) -> Result<Expr, String> {
        let mut all = vec![self.operation()?];
        while self.take("&&") {
            all.push(self.operation()?);
        }
        Ok(single(all, Expr::And))
    }

    fn operation(&mut self) -> Result<Expr, String> {
        let mut is_negated = false;
        while !self.rest.starts_with("!=") && self.take("!") {
            is_negated = !is_negated;
        }
        let expr = if self.take("(") {
            self.deep += 1;
            if self.deep > DEEP {
                return Err("a selector with too many brackets".to_string());
            }
            let expr = self.one_of()?;
            self.expect(")")?;
            self.deep -= 1;
            expr
        } else {
            self.simple()?
        };
        Ok(if is_negated { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn simple(&mut self) -> Result<Expr, String> {
        if self.take("all(") {
            self.expect(")")?;
            return Ok(Expr::All);
        }
        if self.take("global(") {
            self.expect(")")?;
            return Ok(Expr::Global);
        }
        if self.take("has(") {
            let label = self.label()?;
            self.expect(")")?;
            return Ok(Expr::Label(label, Test::Has));
        }
        let label = self.label()?;
        let test = if self.take("==") {
            Test::In(vec![self.text()?])
        } else if self.take("!=") {
            Test::NotIn(vec![self.text()?])
        } else if self.take("contains") {
            Test::Contains(self.text()?)
        } else if self.take("starts") {
            self.expect("with")?;
            Test::StartsWith(self.text()?)
        } else if self.take("ends") {
            self.expect("with")?;
            Test::EndsWith(self.text()?)
        } else if self.take("not") {
            self.expect("in")?;
            Test::NotIn(self.texts()?)
        } else if self.take("in") {
            Test::In(self.texts()?)
        } else {
            return Err(self.strange());
        };
        Ok(Expr::Label(label, test))
    }

    fn label(&mut self) -> Result<String, String> {
        let is_of_label = |c: char| c.is_ascii_alphanumeric() || ['_', '.', '/', '-'].contains(&c);
        let end = self.rest.find(|c: char| !is_of_label(c)).unwrap_or(self.rest.len());
        let (label, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        if label.is_empty() {
            return Err(self.strange());
        }
        self.rest = rest;
        self.skip();
        Ok(label.to_string())
    }

    fn text(&mut self) -> Result<String, String> {
        let quoted = |quote: char| self.rest.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        let Some((text, rest)) = quoted('"').or_else(|| quoted('\'')) else { return Err(self.strange()) };
        self.rest = rest;
        self.skip();
        Ok(text.to_string())
    }

    fn texts(&mut self) -> Result<Vec<String>, String> {
        self.expect("{")?;
        let mut texts = Vec::new();
        while !self.rest.starts_with('}') {
            texts.push(self.text()?);
            if !self.take(",") {
                break;
            }
        }
        self.expect("}")?;
        texts.sort();
        texts.dedup();
        Ok(texts)
    }
}

fn single(mut all: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => one,
        (last, _) => {
            all.extend(last);
            many(all)
        }
    }
}
