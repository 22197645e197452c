//! Equal values, held once: most pods and most bindings of a cluster are copies.

use std::{collections::HashSet, hash::Hash, sync::Arc};

/// What many have from which on that which nobody holds is swept out, at first.
pub(super) const MANY: usize = 1024;

/// Equal values, held once.
pub(super) struct Held<T: ?Sized> {
    held: HashSet<Arc<T>>,
    many: usize,
}

impl<T: ?Sized> Default for Held<T> {
    fn default() -> Self {
        Held { held: HashSet::new(), many: MANY }
    }
}

impl<T: ?Sized + Hash + Eq> Held<T> {
    /// Puts the equal value that is held in place of this one.
    pub(super) fn share(&mut self, value: &mut Arc<T>) {
        if let Some(held) = self.held.get(value) {
            *value = Arc::clone(held);
            return;
        }
        if self.held.len() >= self.many {
            self.held.retain(|held| Arc::strong_count(held) > 1);
            self.many = MANY.max(2 * self.held.len());
        }
        self.held.insert(Arc::clone(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_held_once_and_let_go() {
        let mut names: Held<str> = Held::default();
        let mut share = |name: &str| {
            let mut value: Arc<str> = name.into();
            names.share(&mut value);
            (value, names.held.len())
        };
        let (first, _) = share("a");
        assert!(Arc::ptr_eq(&first, &share("a").0));
        let held = (0..3 * MANY).map(|number| share(&number.to_string()).1).max();
        assert!(held <= Some(MANY + 1), "{held:?}");
        assert!(Arc::ptr_eq(&first, &share("a").0), "somebody holds it");
    }
}
