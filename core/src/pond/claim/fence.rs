//! What goes with each act of who holds a claim, and how an adapter to a machine checks it.
//!
//! Rule: an adapter lets only the greatest it has seen pass, and of equal ones the first. So who
//! was slow, does not know that it has handed the claim over, or holds one of two claims to the
//! same, does no harm, and where a node wrote two histories one of them acts.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Lamport, StreamId};
use crate::pond::escrow::AccountId;
use std::fmt;
use std::str::FromStr;

/// The right to act, as its holder shows it with each act. Text form, one word:
/// `<age>/<author>/<claim>/<number>/<holder>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// Lamport of the creation: of two claims to the same the older one counts.
    pub age: Lamport,
    /// The stream in which it was created; never a branch. It decides between equal ages.
    pub author: StreamId,
    /// Which claim.
    pub claim: AccountId,
    /// 1 for the first holder, and one more with each change of hands.
    pub number: u64,
    /// The stream that holds the claim; never a branch.
    pub holder: StreamId,
}

/// What stands before a machine: lets those act who hold the claim to it, as far as it has seen.
///
/// Keep the text of [`Gate::highest`] where the machine is, and go on with [`Gate::after`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    highest: Option<Fence>,
}

impl Fence {
    /// What decides between two claims to the same: the least counts.
    fn seniority(&self) -> (Lamport, StreamId, AccountId) {
        (self.age, self.author, self.claim)
    }
}

impl Gate {
    /// That has seen `highest` pass last.
    pub fn after(highest: Fence) -> Gate {
        Gate { highest: Some(highest) }
    }

    /// What passed last.
    pub fn highest(&self) -> Option<&Fence> {
        self.highest.as_ref()
    }

    /// Lets `fence` pass: it is of the same holder as the last one or has a higher number, or it is
    /// of an older claim.
    ///
    /// # Errors
    /// `conflict`, reason `fenced`: it does not; nothing is to be done.
    pub fn admit(&mut self, fence: &Fence) -> Result<()> {
        let is_admitted = self.highest.is_none_or(|highest| match fence.claim == highest.claim {
            true => {
                let is_same = (fence.number, fence.holder) == (highest.number, highest.holder);
                fence.number > highest.number || is_same
            }
            false => fence.seniority() < highest.seniority(),
        });
        if is_admitted {
            self.highest = Some(*fence);
            return Ok(());
        }
        let highest = self.highest.expect("the first one is admitted");
        let message = format!(
            "{fence} may not act: {highest} has acted; hand the claim over again, or find out who \
             holds it"
        );
        Err(Error::new(ErrorKind::Conflict, message).with_reason("fenced"))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fence { age, author, claim, number, holder } = self;
        write!(f, "{age}/{author}/{claim}/{number}/{holder}")
    }
}

impl FromStr for Fence {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fence> {
        let read = || {
            let parts: Vec<&str> = text.split('/').collect();
            let [age, author, claim, number, holder] = parts.as_slice() else { return None };
            let fence = Fence {
                age: Lamport::new(age.parse().ok()?).ok()?,
                author: author.parse().ok()?,
                claim: claim.parse().ok()?,
                number: number.parse().ok()?,
                holder: holder.parse().ok()?,
            };
            (fence.to_string() == text).then_some(fence)
        };
        read().ok_or_else(|| {
            let message = "a fence is <age>/<author>/<claim>/<number>/<holder>";
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NodeId;

    fn stream(node: u8) -> StreamId {
        StreamId { node: NodeId::from_bytes([node; 32]), number: 0 }
    }

    /// Of the claim of this age, which the stream `holder` holds.
    fn fence(age: u64, number: u64, holder: u8) -> Fence {
        let claim = AccountId::from_bytes([age as u8; 16]);
        let age = Lamport::new(age).unwrap();
        Fence { age, author: stream(9), claim, number, holder: stream(holder) }
    }

    #[test]
    fn a_gate_lets_nobody_pass_who_was_overtaken() {
        let mut gate = Gate::default();
        gate.admit(&fence(5, 3, 1)).unwrap();
        gate.admit(&fence(5, 3, 1)).unwrap();
        gate.admit(&fence(5, 4, 2)).unwrap();
        let error = gate.admit(&fence(5, 3, 1)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, Some("fenced")));
        assert_eq!(gate.highest(), Some(&fence(5, 4, 2)));
    }

    #[test]
    fn of_two_holders_with_equal_fences_the_second_one_is_refused() {
        let mut gate = Gate::after(fence(5, 4, 2));
        assert!(gate.admit(&fence(5, 4, 3)).is_err());
        gate.admit(&fence(5, 4, 2)).unwrap();
    }

    #[test]
    fn of_two_claims_to_the_same_only_the_older_one_passes_once_it_was_seen() {
        let mut gate = Gate::after(fence(5, 40, 2));
        gate.admit(&fence(4, 1, 3)).unwrap();
        assert!(gate.admit(&fence(5, 41, 2)).is_err());
    }

    #[test]
    fn a_claim_that_turns_out_to_be_older_than_was_known_is_still_the_same() {
        let mut gate = Gate::after(fence(5, 4, 2));
        let earlier = Fence { age: Lamport::new(2).unwrap(), ..fence(5, 3, 1) };
        assert!(gate.admit(&earlier).is_err());
        gate.admit(&Fence { number: 5, ..earlier }).unwrap();
    }

    #[test]
    fn a_fence_comes_back_from_its_text() {
        let own = fence(5, 4, 2);
        assert_eq!(own.to_string().parse::<Fence>().unwrap(), own);
        for wrong in ["", "1/2", &format!("{own}/"), &format!("+{own}"), &format!("0{own}")] {
            assert!(wrong.parse::<Fence>().is_err(), "{wrong}");
        }
    }
}
