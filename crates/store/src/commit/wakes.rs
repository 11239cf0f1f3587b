//! Wakes the clients of a batch: each thread that serves some of them once, and not for each of them.
//!
//! To wake a task of another thread's runtime costs a lock and, mostly, a system call. So whoever waits leaves the
//! mailbox of its own thread; a batch's wakers go there together, and are woken there by a task of that runtime.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

thread_local! {
    static MAILBOX: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
}

/// Where a thread's wakers come together.
#[derive(Debug)]
pub(crate) struct Mailbox {
    wakers: Mutex<Vec<Waker>>,
    has_mail: Notify,
    /// Whether the task that reads it is there.
    is_read: AtomicBool,
}

impl Mailbox {
    /// That of this thread; `None` where its tasks may run on any thread.
    pub(crate) fn of_this_thread() -> Option<Arc<Self>> {
        MAILBOX.with_borrow_mut(|known| {
            if let Some(mailbox) = known.as_ref().filter(|mailbox| mailbox.is_read()) {
                return Some(Arc::clone(mailbox));
            }
            let runtime = Handle::try_current().ok()?;
            if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
                return None;
            }
            let mailbox = Arc::new(Self {
                wakers: Mutex::default(),
                has_mail: Notify::new(),
                is_read: AtomicBool::new(true),
            });
            runtime.spawn(Reader(Arc::clone(&mailbox)).read());
            *known = Some(Arc::clone(&mailbox));
            Some(mailbox)
        })
    }

    fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    /// Wakes them all on their thread.
    fn send(&self, wakers: Vec<Waker>) {
        match <[Waker; 1]>::try_from(wakers) {
            // A detour would cost more.
            Ok([waker]) => waker.wake(),
            Err(wakers) => {
                let mut waiting = self.wakers.lock();
                if self.is_read() {
                    waiting.extend(wakers);
                    drop(waiting);
                    self.has_mail.notify_one();
                } else {
                    drop(waiting);
                    wakers.into_iter().for_each(Waker::wake);
                }
            }
        }
    }
}

/// Reads a mailbox for as long as its runtime lives.
struct Reader(Arc<Mailbox>);

impl Reader {
    async fn read(self) {
        loop {
            self.0.has_mail.notified().await;
            let wakers = std::mem::take(&mut *self.0.wakers.lock());
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut wakers = self.0.wakers.lock();
        self.0.is_read.store(false, Ordering::Release);
        let left = std::mem::take(&mut *wakers);
        drop(wakers);
        left.into_iter().for_each(Waker::wake);
    }
}

/// Wakers that are to be woken together.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    by_thread: Vec<(Arc<Mailbox>, Vec<Waker>)>,
}

impl Wakes {
    /// Wakes a task with the others of its thread, or now where that is not known.
    pub(crate) fn add(&mut self, mailbox: Option<Arc<Mailbox>>, waker: Waker) {
        let Some(mailbox) = mailbox else {
            waker.wake();
            return;
        };
        let mut threads = self.by_thread.iter_mut();
        match threads.find(|(known, _)| Arc::ptr_eq(known, &mailbox)) {
            Some((_, wakers)) => wakers.push(waker),
            None => self.by_thread.push((mailbox, vec![waker])),
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        for (mailbox, wakers) in self.by_thread.drain(..) {
            mailbox.send(wakers);
        }
    }
}

#[cfg(test)]
mod tests {
    use vote_domain::Refusal;

    use super::*;
    use crate::commit::outcome::Outcome;
    use crate::commit::ticket::{Ticket, Waiting};

    /// Tickets whose clients wait on a thread of their own, and that thread, which ends with all answers.
    fn clients(count: usize) -> (Vec<Arc<Ticket>>, std::thread::JoinHandle<usize>) {
        let tickets: Vec<_> = (0..count).map(|_| Ticket::new()).collect();
        let waiting: Vec<_> = tickets.iter().map(Arc::clone).collect();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let clients = waiting
                    .into_iter()
                    .map(|ticket| tokio::spawn(Waiting(ticket)));
                let mut answered = 0;
                for client in clients.collect::<Vec<_>>() {
                    client.await.expect("an answer");
                    answered += 1;
                }
                answered
            })
        });
        (tickets, thread)
    }

    #[test]
    fn all_clients_of_a_batch_are_woken_on_whatever_threads_they_wait() {
        let (mut tickets, mut threads) = (Vec::new(), Vec::new());
        for count in [1, 2, 40] {
            let (waiting, thread) = clients(count);
            tickets.extend(waiting);
            threads.push((thread, count));
        }
        while !tickets.iter().all(|ticket| ticket.has_client()) {
            std::thread::yield_now();
        }
        let mut wakes = Wakes::default();
        for ticket in &tickets {
            ticket.resolve_with(Outcome::Refused(Refusal::Paused), &mut wakes);
        }
        drop(wakes);
        for (thread, count) in threads {
            assert_eq!(thread.join().expect("it ends"), count);
        }
    }

    #[test]
    fn a_mailbox_of_a_runtime_that_has_ended_is_not_used_again() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime")
        };
        let mailbox = || async { Mailbox::of_this_thread().expect("one thread") };
        let first = runtime();
        let old = first.block_on(mailbox());
        assert!(Arc::ptr_eq(&first.block_on(mailbox()), &old));
        drop(first);
        let second = runtime();
        let new = second.block_on(mailbox());
        assert!(!Arc::ptr_eq(&new, &old));
        assert!(!old.is_read() && new.is_read());
    }

    #[test]
    fn tasks_that_may_run_on_any_thread_have_no_mailbox() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        assert!(
            runtime
                .block_on(async { Mailbox::of_this_thread() })
                .is_none()
        );
        assert!(Mailbox::of_this_thread().is_none(), "no runtime at all");
    }
}
