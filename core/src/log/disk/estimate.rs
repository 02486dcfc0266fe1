//! What a query has to look at, as far as postings and tail tell without opening a block.

use super::filter::Filter;
use super::shared::Shared;
use super::turn::{Piece, frames_of};
use super::walk::Walk;
use crate::error::Result;
use crate::event::OffsetMap;
use crate::event::block::FRAME_EVENTS;
use crate::log::explanation::Looks;
use crate::query::Order;

impl Walk {
    /// What the postings and the tail say has to be looked at for the whole answer; `events` is
    /// a bound.
    ///
    /// # Errors
    /// `corrupt`: a segment is damaged.
    pub(crate) fn estimate(
        shared: &Shared,
        filter: &Filter,
        lower: &OffsetMap,
        upper: &OffsetMap,
    ) -> Result<Looks> {
        let whole = Walk::new(shared, filter, Order::Ascending, lower, upper);
        let mut looks = Looks::default();
        let mut add = |frames: u16, count: u64| {
            let frames = u64::from((frames & frames_of(count)).count_ones());
            looks.frames += frames;
            looks.blocks += 1;
            looks.events += count.min(frames * FRAME_EVENTS as u64);
        };
        for turn in whole.turns.iter() {
            let Piece::Span { source, low, high } = turn.piece else { continue };
            let stream = whole.sources[source].stream;
            let mut at = low;
            while at < high {
                let (run, _) = shared.tail_run_and_releases(&stream, at);
                let end = run.as_ref().map_or(high, |run| run.end().min(high));
                let frames = run.map_or(u16::MAX, |run| filter.frames_of_run(&run));
                if frames != 0 {
                    add(frames, end - at);
                }
                at = end;
            }
        }
        let mut segments = 0;
        shared.tables.read(|opened, transaction| {
            let directory = shared.directory(opened, transaction)?;
            for (root, _) in &directory.roots {
                let place = (opened, transaction);
                for (number, _) in root.segments(shared, filter, place, &directory)? {
                    let (head, blocks) = shared.blocks_in(filter, place, number)?;
                    segments += 1;
                    for (at, frames) in blocks {
                        if whole.wants(&head.blocks[at]).is_some() {
                            add(frames, u64::from(head.blocks[at].summary.count));
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(Looks { segments, ..looks })
    }
}
