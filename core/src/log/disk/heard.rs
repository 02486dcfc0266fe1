//! When other nodes were last heard of: one row of the table `settings`, kept over openings.
//!
//! Rule: written along with what is written anyway, so a power loss may take the latest of it back.
//! It is a hint: what does not read says nothing. Source: docs/format.md, "Heard row".

use super::block::{checked, with_checksum};
use super::shared::{Shared, lock};
use super::tables::{Opened, TableResult};
use crate::error::Result;
use crate::event::codec::{Reader, bad};
use crate::event::{NodeId, WallTime};
use std::collections::BTreeMap;

/// Its key in the table `settings`.
const HEARD_KEY: &[u8] = b"heard";
/// Most nodes in it: those that were heard of last.
const HEARD_KEPT_MAX: usize = 1024;

/// When each node was last heard of.
pub(crate) type Heard = BTreeMap<NodeId, WallTime>;

impl Shared {
    /// When others were last heard of, as is known now.
    pub(crate) fn heard(&self) -> Heard {
        let (outlook, now) = (lock(&self.outlook).clone(), (self.options.clock)());
        let mut heard = outlook.heard.clone();
        heard.extend(outlook.reachable.iter().map(|node| (*node, now)));
        heard
    }
}

/// Writes the row, unless nobody was heard of.
pub(crate) fn put_heard(
    opened: &Opened,
    transaction: &mut heed::RwTxn<'_>,
    heard: &Heard,
) -> TableResult<()> {
    if !heard.is_empty() {
        opened.settings.put(transaction, HEARD_KEY, &encode(heard))?;
    }
    Ok(())
}

/// Reads the row; nobody was heard of where there is none.
pub(crate) fn read_heard(opened: &Opened, transaction: &heed::RoTxn<'_>) -> TableResult<Heard> {
    let value = opened.settings.get(transaction, HEARD_KEY)?;
    Ok(value.map_or_else(|| Ok(Heard::new()), decode)?)
}

fn encode(heard: &Heard) -> Vec<u8> {
    let mut latest: Vec<_> = heard.iter().collect();
    latest.sort_by_key(|(node, at)| (std::cmp::Reverse(at.micros()), **node));
    latest.truncate(HEARD_KEPT_MAX);
    latest.sort();
    let mut content = Vec::with_capacity(40 * latest.len());
    for (node, at) in latest {
        content.extend_from_slice(node.as_bytes());
        content.extend_from_slice(&at.micros().to_le_bytes());
    }
    with_checksum(HEARD_KEY, &content)
}

fn decode(value: &[u8]) -> Result<Heard> {
    let (entries, rest) = checked(HEARD_KEY, value)?.as_chunks::<40>();
    if !rest.is_empty() || entries.len() > HEARD_KEPT_MAX {
        return Err(bad("the row of nodes that were heard of has another size"));
    }
    let mut heard = Heard::new();
    for entry in entries {
        let mut reader = Reader::new(entry);
        let node = NodeId::from_bytes(reader.array()?);
        let at = WallTime::from_micros(i64::from_le_bytes(reader.array()?));
        if heard.last_key_value().is_some_and(|(last, _)| *last >= node) {
            return Err(bad("the nodes that were heard of do not rise"));
        }
        heard.insert(node, at);
    }
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u16) -> NodeId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(id)
    }

    #[test]
    fn those_heard_of_last_come_back_from_the_row() {
        let at = |number: u16| WallTime::from_micros(i64::from(number) - 700);
        let heard: Heard = (0..2000).map(|number| (node(number), at(number))).collect();
        let latest = heard.clone().split_off(&node(2000 - HEARD_KEPT_MAX as u16));
        assert_eq!(decode(&encode(&heard)).unwrap(), latest);
        assert_eq!(decode(&encode(&Heard::new())).unwrap(), Heard::new());
    }

    #[test]
    fn a_row_that_is_not_in_its_one_form_says_nothing() {
        let two: Heard = (1..=2).map(|number| (node(number), WallTime::from_micros(1))).collect();
        let content = encode(&two)[4..].to_vec();
        let row = |content: &[u8]| decode(&with_checksum(HEARD_KEY, content));
        assert!(row(&content).is_ok());
        assert!(row(&content[..79]).is_err());
        assert!(row(&[&content[40..], &content[..40]].concat()).is_err());
        assert!(row(&content[..40].repeat(2)).is_err());
        assert!(row(&[0; 40 * (HEARD_KEPT_MAX + 1)]).is_err());
        for bit in 0..8 * 84 {
            let mut value = encode(&two);
            value[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&value).is_err(), "bit {bit}");
        }
    }
}
