//! Runs a piece of work for each key: at once when it is asked for, later when the work asks for that itself, and
//! never twice at a time for one key.
//!
//! Not kube's `applier`: it passes every key through a queue of timers, also those that are due at once, and timers
//! wake up a millisecond or two late. That was a third of the time that a deleted policy was away.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    time::Duration,
};

use futures::{Stream, StreamExt, stream::FuturesUnordered};
use tokio_util::time::{DelayQueue, delay_queue};

/// When something is to be looked at again although nothing asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Action(Duration);

impl Action {
    /// After this time.
    pub fn requeue(after: Duration) -> Self {
        Action(after)
    }

    /// After this time, or before that as it was.
    pub fn sooner(self, after: Duration) -> Self {
        Action(self.0.min(after))
    }
}

/// Works until the keys end and the last work is done. `work` says how soon it is to be done again by itself; a key that
/// comes earlier replaces that.
pub async fn run<K, W, Fut>(keys: impl Stream<Item = K>, at_once: usize, work: W)
where
    K: Clone + Eq + Hash,
    W: Fn(K) -> Fut,
    Fut: Future<Output = Option<Action>>,
{
    let mut keys = std::pin::pin!(keys.fuse());
    let mut queue: Queue<K> = Queue::default();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < at_once
            && let Some(key) = queue.begin()
        {
            let work = work(key.clone());
            under_way.push(async move { (key, work.await) });
        }
        tokio::select! {
            key = keys.next(), if !keys.is_done() => if let Some(key) = key { queue.ask(key) },
            Some((key, again)) = under_way.next() => queue.end(key, again),
            Some(expired) = queue.later.next(), if !keys.is_done() => queue.is_due(expired.into_inner()),
            else => return,
        }
    }
}

/// What is to be done, by key.
struct Queue<K> {
    /// To be done now, oldest first.
    due: VecDeque<K>,
    /// The same, to find them.
    is_due: HashSet<K>,
    /// Those under way, and whether they were asked for again meanwhile.
    under_way: HashMap<K, bool>,
    later: DelayQueue<K>,
    /// Places in `later`.
    timers: HashMap<K, delay_queue::Key>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Queue {
            due: VecDeque::new(),
            is_due: HashSet::new(),
            under_way: HashMap::new(),
            later: DelayQueue::new(),
            timers: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// It has to be done now; as soon as possible where it is under way already.
    fn ask(&mut self, key: K) {
        if let Some(timer) = self.timers.remove(&key) {
            self.later.remove(&timer);
        }
        if let Some(again) = self.under_way.get_mut(&key) {
            *again = true;
        } else if self.is_due.insert(key.clone()) {
            self.due.push_back(key);
        }
    }

    /// Its time has come.
    fn is_due(&mut self, key: K) {
        self.timers.remove(&key);
        self.ask(key);
    }

    /// The next that is to be done.
    fn begin(&mut self) -> Option<K> {
        let key = self.due.pop_front()?;
        self.is_due.remove(&key);
        self.under_way.insert(key.clone(), false);
        Some(key)
    }

    /// It was done.
    fn end(&mut self, key: K, again: Option<Action>) {
        if self.under_way.remove(&key) == Some(true) {
            self.ask(key);
        } else if let Some(Action(delay)) = again {
            let timer = self.later.insert(key.clone(), delay);
            self.timers.insert(key, timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        rc::Rc,
    };

    use futures::channel::mpsc;
    use tokio::{
        sync::Notify,
        time::{Instant, advance},
    };

    use super::*;

    /// Lets everything happen that can happen without time passing.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_is_done_at_once() {
        let (sender, keys) = mpsc::unbounded();
        let asked = Instant::now();
        sender.unbounded_send(1).unwrap();
        drop(sender);
        let done = Cell::new(None);
        run(keys, 1, |_| async {
            done.set(Some(Instant::now()));
            None
        })
        .await;
        assert_eq!(done.get(), Some(asked), "no timer is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_never_under_way_twice_and_nothing_asked_for_is_lost() {
        let (sender, keys) = mpsc::unbounded();
        let (log, gate) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Notify::new()));
        let work = |key: &'static str| {
            let (log, gate) = (Rc::clone(&log), Rc::clone(&gate));
            async move {
                log.borrow_mut().push(format!("begin {key}"));
                gate.notified().await;
                log.borrow_mut().push(format!("end {key}"));
                None
            }
        };
        let play = async {
            for key in ["a", "a", "b", "c"] {
                sender.unbounded_send(key).unwrap();
            }
            settle().await;
            assert_eq!(*log.borrow(), ["begin a", "begin b"], "two at once, and a only once");
            sender.unbounded_send("a").unwrap();
            sender.unbounded_send("a").unwrap();
            settle().await;
            assert_eq!(log.borrow().len(), 2);
            drop(sender);
            for _ in 0..4 {
                gate.notify_one();
                settle().await;
            }
        };
        tokio::join!(run(keys, 2, work), play);
        let log = log.borrow();
        for (key, times) in [("a", 2), ("b", 1), ("c", 1)] {
            let of_key: Vec<&String> = log.iter().filter(|line| line.ends_with(key)).collect();
            assert_eq!(of_key.len(), 2 * times, "{log:?}");
            assert!(of_key.chunks(2).all(|pair| pair[0].starts_with("begin") && pair[1].starts_with("end")), "{log:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_comes_again_when_it_asked_for_that_or_when_it_is_asked_for_earlier() {
        let (sender, keys) = mpsc::unbounded();
        let started = Instant::now();
        let times = RefCell::new(Vec::new());
        let work = |()| async {
            times.borrow_mut().push(started.elapsed().as_secs());
            Some(Action::requeue(Duration::from_secs(10)))
        };
        let play = async {
            sender.unbounded_send(()).unwrap();
            settle().await;
            advance(Duration::from_secs(11)).await;
            settle().await;
            advance(Duration::from_secs(4)).await;
            sender.unbounded_send(()).unwrap();
            settle().await;
            // The second look ran out of date with the third.
            advance(Duration::from_secs(9)).await;
            settle().await;
            drop(sender);
        };
        tokio::join!(run(keys, 1, work), play);
        assert_eq!(*times.borrow(), [0, 11, 15]);
    }
}
