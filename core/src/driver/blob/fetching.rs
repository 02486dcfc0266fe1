//! Fetching what is missing, for who opens, reads, gets or exports it.
//!
//! Rule: what is here is read here, and nobody is asked. Where there is no network, what is missing
//! is refused at once; else it is waited for, for as long as the caller likes: peers come and go.

use crate::blob::exchange::Urgency;
use crate::blob::store::{Opened, Store, not_here};
use crate::blob::{BlobId, BlobSize, GroupIndex, GroupRange};
use crate::driver::blob::desk::Wanted;
use crate::driver::blob::references::said_of;
use crate::driver::blob::room::{BlobRoom, Door};
use crate::driver::blob::work::WorkState;
use crate::error::{Error, ErrorKind, Result};
use crate::pending::{Pending, pending};
use std::sync::Arc;

/// How often what was just fetched may be found missing again: by damage, or since the blob began
/// anew under the size that was proven.
pub(super) const TRIES: u32 = 4;

impl BlobRoom {
    /// Waits for groups of a blob, all of them when none are named.
    ///
    /// # Errors
    /// Those of the store; in the answer those of `Desk::fetch`.
    pub(super) fn fetch(
        &self,
        id: BlobId,
        groups: Option<GroupRange>,
        urgency: Urgency,
        work: Option<Arc<WorkState>>,
    ) -> Result<Pending<BlobSize>> {
        let lease = self.store()?.lease(id);
        let (said, hints) = said_of(&self.log, &id);
        let size = said.and_then(|said| BlobSize::new(said.size?).ok());
        Ok(self.desk().fetch(Wanted { id, groups, urgency, size, hints }, lease, work))
    }
}

/// Whether fetching can mend this.
pub(super) fn is_missing(error: &Error) -> bool {
    error.reason() == Some("blob_not_here") || error.kind() == ErrorKind::Corrupt
}

/// Has something short done with the store.
pub(super) fn short<T: Send + 'static>(
    door: &Door,
    work: impl FnOnce(&Arc<Store>) -> Result<T> + Send + 'static,
) -> Pending<T> {
    let (completer, answer) = pending(None);
    match door.room().and_then(|room| Ok((room, room.store()?))) {
        Ok((room, store)) => {
            let door = door.clone();
            room.short(Box::new(move || {
                let done = door.room().and_then(|_| work(&store));
                drop(store);
                completer.complete(done);
            }));
            answer
        }
        Err(error) => Pending::ready(Err(error)),
    }
}

/// Opens a blob whose size is proven. With `fetch`, what proves it is fetched where it is missing.
pub(super) fn open(door: Door, id: BlobId, fetch: bool, tries: u32) -> Pending<Opened> {
    short(&door, move |store| {
        match store.look_now(&id)? {
            // Where it ends nobody knows yet.
            Some(row) if !row.size_proven => Err(not_here(&id)),
            _ => store.open_blob(id),
        }
    })
    .then(move |opened| match opened {
        Err(error) if fetch && tries > 0 && can_fetch(&door, &error) => {
            let fetched = door.room().and_then(|room| {
                let row = room.store()?.look_now(&id).unwrap_or_default();
                let size = row.filter(|row| !row.size_proven).map(|row| BlobSize::new(row.size));
                let group = match size.transpose()? {
                    Some(size) => size.last_group(),
                    None => GroupIndex::default(),
                };
                room.fetch(id, Some(GroupRange::one(group)), Urgency::Reading, None)
            });
            match fetched {
                Ok(fetched) => fetched.then(move |fetched| match fetched {
                    Ok(_) => open(door, id, fetch, tries - 1),
                    Err(error) => Pending::ready(Err(error)),
                }),
                Err(error) => Pending::ready(Err(error)),
            }
        }
        opened => Pending::ready(opened),
    })
}

/// Done when all of a blob is here; where nothing can be fetched, at once.
pub(super) fn whole(door: &Door, id: BlobId, work: Option<Arc<WorkState>>) -> Pending<()> {
    let fetch = || {
        let room = door.room()?;
        if room.store()?.is_here(&id).unwrap_or(false) || !room.desk().is_open() {
            return Ok(Pending::ready(Ok(())));
        }
        Ok(room.fetch(id, None, Urgency::Asked, work)?.map(|_| Ok(())))
    };
    fetch().unwrap_or_else(|error| Pending::ready(Err(error)))
}

/// Whether there is anybody who might bring what is missing.
pub(super) fn can_fetch(door: &Door, error: &Error) -> bool {
    is_missing(error) && door.room().is_ok_and(|room| room.desk().is_open())
}
