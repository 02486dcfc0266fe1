//! What is fetched for callers: who waits for which groups, and what they are told.
//!
//! Not here: what is asked of whom (`exchange`), where it is written (`store`). Rule: a wait that
//! ends, however it does, is taken back from the exchange. Begin with [`Desk::fetch`].

use crate::blob::exchange::{BlobNews, FetchNumber, Input, Stall, Urgency};
use crate::blob::limits::GROUP_BYTES;
use crate::blob::store::{Lease, not_here};
use crate::blob::{BlobId, BlobSize, GroupRange};
use crate::driver::blob::work::{BlobStall, WorkState};
use crate::error::{Error, ErrorKind};
use crate::event::NodeId;
use crate::pending::{Completer, Pending, pending};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where inputs of the exchange go; false when nobody takes them any more.
type Send = Box<dyn Fn(Input) + std::marker::Send + Sync>;

/// All who wait for groups of blobs.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    send: Option<Arc<Send>>,
    last: u64,
    open: BTreeMap<FetchNumber, Ticket>,
}

/// One who waits.
struct Ticket {
    id: BlobId,
    done: Completer<BlobSize>,
    /// Who is told how far it is.
    work: Option<Arc<WorkState>>,
    /// Where there is no room, a reader is told so at once; others wait for room.
    urgency: Urgency,
    _lease: Lease,
}

/// What is wanted, and what is known of who may have it.
pub(super) struct Wanted {
    pub(super) id: BlobId,
    /// None: all.
    pub(super) groups: Option<GroupRange>,
    pub(super) urgency: Urgency,
    /// What references say.
    pub(super) size: Option<BlobSize>,
    /// Who published them.
    pub(super) hints: Vec<NodeId>,
}

impl Desk {
    /// From now on fetches go there.
    #[cfg_attr(not(feature = "net"), allow(dead_code))] // Only a network begins to take them.
    pub(crate) fn open(&self, send: impl Fn(Input) + std::marker::Send + Sync + 'static) {
        self.state().send = Some(Arc::new(Box::new(send)));
    }

    /// Whether there is a network to fetch from.
    pub(super) fn is_open(&self) -> bool {
        self.state().send.is_some()
    }

    /// Ends all waits with `closed`; nothing is fetched any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let (send, open) = (state.send.take(), std::mem::take(&mut state.open));
        drop(state);
        // Their answers may run code of others.
        drop((send, open));
    }

    /// Says something to the exchange, if there is one.
    pub(super) fn say(&self, input: Input) {
        let send = self.state().send.clone();
        if let Some(send) = send {
            send(input);
        }
    }

    /// Waits for groups; the answer is the size of the blob as it is known then. Dropping it calls
    /// the fetch off.
    ///
    /// # Errors
    /// In the answer. `not_found`, reason `blob_not_here`: there is no network to fetch it from.
    /// `storage_full`, `storage_failed`, `closed`.
    pub(super) fn fetch(
        self: &Arc<Desk>,
        wanted: Wanted,
        lease: Lease,
        work: Option<Arc<WorkState>>,
    ) -> Pending<BlobSize> {
        let Wanted { id, groups, urgency, size, hints } = wanted;
        let (done, answer) = pending(None);
        let mut state = self.state();
        let Some(send) = state.send.clone() else {
            return Pending::ready(Err(not_here(&id)));
        };
        state.last += 1;
        let fetch = FetchNumber::new(state.last);
        let desk = Arc::downgrade(self);
        done.on_abandoned(Box::new(move || {
            if let Some(desk) = desk.upgrade() {
                desk.release(fetch);
            }
        }));
        let watched = work.clone();
        state.open.insert(fetch, Ticket { id, done, work, urgency, _lease: lease });
        drop(state);
        send(Input::Fetch { fetch, id, size, groups, urgency, hints });
        if let Some(work) = watched {
            let desk = Arc::downgrade(self);
            // Behind the lock: it may be called off already.
            work.on_cancel(Box::new(move || {
                if let Some(desk) = desk.upgrade() {
                    desk.release(fetch);
                }
            }));
        }
        answer
    }

    /// Nobody waits for this any more.
    fn release(&self, fetch: FetchNumber) {
        let ticket = self.state().open.remove(&fetch);
        if ticket.is_some() {
            drop(ticket);
            self.say(Input::Release { fetch });
        }
    }

    /// Tells those who wait.
    #[cfg_attr(not(feature = "net"), allow(dead_code))] // Only a network has news.
    pub(super) fn tell(&self, news: BlobNews) {
        match news {
            BlobNews::Fetched { fetch, size, .. } => {
                let ticket = self.state().open.remove(&fetch);
                if let Some(ticket) = ticket {
                    ticket.done.complete(Ok(size));
                }
            }
            BlobNews::Progress { id, size, is_proven, held, .. } => {
                let done = u64::from(held) * GROUP_BYTES as u64;
                for work in self.works(&id) {
                    if is_proven {
                        work.expect(size.bytes());
                    }
                    // Whether it is to go on, its answer says.
                    let _ = work.go_on(done.min(size.bytes()));
                }
            }
            BlobNews::Stalled { id, why } => {
                let stall = why.as_ref().map(|why| match why {
                    Stall::NoProvider => BlobStall::NoProvider,
                    Stall::StorageFull => BlobStall::StorageFull,
                    Stall::StorageFailed(_) => BlobStall::StorageFailed,
                });
                self.works(&id).iter().for_each(|work| work.stall(stall));
                if let Some(error) = why.and_then(|why| refusal(&id, why)) {
                    self.end_readers(&id, &error);
                }
            }
            BlobNews::Misbehaved { peer, id, group } => {
                let (peer, blob) = (peer.short(), id.short());
                tracing::warn!(%peer, %blob, %group, "a peer sent what is not of the blob");
            }
            BlobNews::Answer { .. } | BlobNews::CopiesNow { .. } => {}
        }
    }

    fn works(&self, id: &BlobId) -> Vec<Arc<WorkState>> {
        let state = self.state();
        let of_it = state.open.values().filter(|ticket| ticket.id == *id);
        of_it.filter_map(|ticket| ticket.work.clone()).collect()
    }

    fn end_readers(&self, id: &BlobId, error: &Error) {
        let mut state = self.state();
        let of_it = |(_, ticket): &(&FetchNumber, &Ticket)| {
            ticket.id == *id && ticket.urgency == Urgency::Reading
        };
        let ended: Vec<_> = state.open.iter().filter(of_it).map(|(fetch, _)| *fetch).collect();
        let ended: Vec<_> = ended
            .into_iter()
            .filter_map(|fetch| Some((fetch, state.open.remove(&fetch)?)))
            .collect();
        drop(state);
        for (fetch, ticket) in ended {
            ticket.done.complete(Err(error.clone()));
            self.say(Input::Release { fetch });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reader is told when nothing more can be written.
fn refusal(id: &BlobId, why: Stall) -> Option<Error> {
    match why {
        Stall::NoProvider => None,
        Stall::StorageFailed(error) => Some(error),
        Stall::StorageFull => {
            let message = format!("there is no room here for more of blob {}", id.short());
            Some(Error::new(ErrorKind::StorageFull, message))
        }
    }
}
