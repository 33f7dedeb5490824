//! Virtual time: tasks that wait for a moment or for a mail, run in the order of an event queue.
//!
//! One thread, no clock of the machine: an hour of the simulation takes as long as its events do, and the same seed
//! takes the same steps.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The clock of the simulation and all that waits for it. Milliseconds since the start.
#[derive(Clone, Default)]
pub(crate) struct Time(Rc<Core>);

#[derive(Default)]
struct Core {
    now: Cell<u64>,
    /// Events that fall on one moment keep their order.
    order: Cell<u64>,
    queue: RefCell<BinaryHeap<Reverse<(u64, u64, usize)>>>,
    tasks: RefCell<Vec<Option<Task>>>,
    current: Cell<usize>,
}

impl Time {
    pub(crate) fn now(&self) -> u64 {
        self.0.now.get()
    }

    /// Begins a task at this moment, after whatever is due before.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.0.tasks.borrow_mut();
        tasks.push(Some(Box::pin(task)));
        let id = tasks.len() - 1;
        drop(tasks);
        self.wake_at(self.now(), id);
    }

    /// Runs until nothing waits any more.
    pub(crate) fn run(&self) {
        loop {
            let Some(Reverse((at, _, id))) = self.0.queue.borrow_mut().pop() else { break };
            self.0.now.set(at);
            self.0.current.set(id);
            // Taken out meanwhile: the task may begin others. One that is over is woken in vain.
            let Some(mut task) = self.0.tasks.borrow_mut()[id].take() else { continue };
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                self.0.tasks.borrow_mut()[id] = Some(task);
            }
        }
        let left = self.0.tasks.borrow_mut().drain(..).flatten().count();
        assert_eq!(left, 0, "tasks that nothing can wake");
    }

    /// Waits.
    pub(crate) const fn sleep(&self, millis: u64) -> Sleep<'_> {
        Sleep { time: self, millis, until: None }
    }

    fn wake_at(&self, moment: u64, id: usize) {
        let order = self.0.order.get();
        self.0.order.set(order + 1);
        self.0.queue.borrow_mut().push(Reverse((moment, order, id)));
    }
}

/// What [`Time::sleep`] gives.
pub(crate) struct Sleep<'t> {
    time: &'t Time,
    millis: u64,
    until: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let now = self.time.now();
        match self.until {
            None => {
                let until = now + self.millis;
                self.until = Some(until);
                self.time.wake_at(until, self.time.0.current.get());
                Poll::Pending
            }
            Some(until) if now < until => Poll::Pending,
            Some(_) => Poll::Ready(()),
        }
    }
}

/// A place for one thing that somebody waits for. The first to put something in wins.
pub(crate) struct Mail<T> {
    value: RefCell<Option<T>>,
    waiter: Cell<Option<usize>>,
    taken: Cell<bool>,
}

impl<T> Mail<T> {
    pub(crate) const fn new() -> Self {
        Self { value: RefCell::new(None), waiter: Cell::new(None), taken: Cell::new(false) }
    }

    /// Puts something in; whether anybody will see it.
    pub(crate) fn put(&self, time: &Time, value: T) -> bool {
        if self.taken.replace(true) {
            return false;
        }
        *self.value.borrow_mut() = Some(value);
        if let Some(id) = self.waiter.get() {
            time.wake_at(time.now(), id);
        }
        true
    }

    /// Waits for it, so long at most.
    pub(crate) async fn wait(&self, time: &Time, millis: u64) -> Option<T> {
        let mut sleep = time.sleep(millis);
        std::future::poll_fn(|context| {
            if let Some(value) = self.value.borrow_mut().take() {
                return Poll::Ready(Some(value));
            }
            self.waiter.set(Some(time.0.current.get()));
            let over = Pin::new(&mut sleep).poll(context);
            if over.is_ready() {
                self.taken.set(true);
            }
            over.map(|()| None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_in_the_order_of_their_moments_and_mails_wake() {
        let (time, seen, mail) = (Time::default(), Rc::new(RefCell::new(Vec::new())), Rc::new(Mail::new()));
        for (name, wait) in [("late", 9), ("early", 3), ("also early", 3)] {
            let (own, seen) = (time.clone(), Rc::clone(&seen));
            time.spawn(async move {
                own.sleep(wait).await;
                seen.borrow_mut().push((name, own.now()));
            });
        }
        let (own, seen_too, waiting) = (time.clone(), Rc::clone(&seen), Rc::clone(&mail));
        time.spawn(async move {
            let first = waiting.wait(&own, 100).await;
            seen_too.borrow_mut().push((first.unwrap_or("nothing"), own.now()));
            let never = Mail::new().wait(&own, 50).await;
            seen_too.borrow_mut().push((never.unwrap_or("nothing"), own.now()));
        });
        let own = time.clone();
        time.spawn(async move {
            own.sleep(5).await;
            assert!(mail.put(&own, "mail") && !mail.put(&own, "second"));
        });
        time.run();
        let expected = [("early", 3), ("also early", 3), ("mail", 5), ("late", 9), ("nothing", 55)];
        assert_eq!(*seen.borrow(), expected);
    }
}
