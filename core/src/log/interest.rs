//! Who is to hear of what: by the terms of events, so that who waits for others is not woken.
//!
//! Rule: in doubt everybody hears of it.

/// Bits that stand for the terms of what came: few share one while few came.
const NEWS_BITS: usize = 1 << 12;
/// Beyond so many events it is not worth looking: whoever waits will find some of them.
const NEWS_EVENTS_MAX: usize = 1 << 12;

/// What somebody waits for.
#[derive(Clone, Debug)]
pub(crate) enum Interest {
    /// Whatever comes.
    All,
    /// Events that have all terms of one of these.
    Terms(Vec<Vec<u32>>),
}

impl Interest {
    /// In events that have all terms of one of these alternatives.
    pub(super) fn of(alternatives: &[Vec<u32>]) -> Interest {
        match alternatives.iter().any(Vec::is_empty) {
            true => Interest::All,
            false => Interest::Terms(alternatives.to_vec()),
        }
    }

    /// Whether it may be among this.
    pub(super) fn meets(&self, news: &News) -> bool {
        match self {
            Interest::All => true,
            Interest::Terms(alternatives) => {
                let may_have = |terms: &Vec<u32>| terms.iter().all(|term| news.may_have(*term));
                alternatives.iter().any(may_have)
            }
        }
    }

    /// Whether it matters what came.
    pub(super) fn is_choosy(&self) -> bool {
        matches!(self, Interest::Terms(_))
    }
}

/// What came: the terms of some events.
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// None: anything.
    bits: Option<Box<[u64; NEWS_BITS / 64]>>,
    events: usize,
}

impl News {
    /// Whatever it is.
    pub(crate) const ANYTHING: News = News { bits: None, events: 0 };

    /// Nothing yet.
    pub(crate) fn new() -> News {
        News { bits: Some(Box::new([0; NEWS_BITS / 64])), events: 0 }
    }

    /// Adds events; false when more of them need not be added.
    pub(crate) fn add(&mut self, events: usize) -> bool {
        self.events = self.events.saturating_add(events);
        if self.events > NEWS_EVENTS_MAX {
            self.bits = None;
        }
        self.bits.is_some()
    }

    /// Adds a term of one of them.
    pub(crate) fn add_term(&mut self, term: u32) {
        if let Some(bits) = &mut self.bits {
            let (word, bit) = place(term);
            bits[word] |= bit;
        }
    }

    fn may_have(&self, term: u32) -> bool {
        let (word, bit) = place(term);
        self.bits.as_ref().is_none_or(|bits| bits[word] & bit != 0)
    }
}

fn place(term: u32) -> (usize, u64) {
    let bit = term as usize % NEWS_BITS;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_terms_hears_of_events_that_may_have_all_of_one_alternative() {
        let mut news = News::new();
        assert!(news.add(2));
        [7, 9, 5_000].iter().for_each(|term| news.add_term(*term));
        let meets = |alternatives: &[Vec<u32>]| Interest::of(alternatives).meets(&news);
        assert!(meets(&[vec![7, 9]]) && meets(&[vec![8], vec![5_000]]));
        assert!(!meets(&[vec![7, 8]]) && !meets(&[vec![8], vec![10, 7]]) && !meets(&[]));
        assert!(meets(&[vec![8], Vec::new()]), "an alternative without terms is met by anything");
        assert!(Interest::of(&[vec![8]]).meets(&News::ANYTHING));
        assert!(!news.add(NEWS_EVENTS_MAX), "too many to look at");
        assert!(Interest::of(&[vec![8]]).meets(&news));
    }
}
