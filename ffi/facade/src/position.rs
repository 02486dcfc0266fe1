//! Where a subscription stands, in either order, and its text form.

use crate::errors::{FacadeError, Result};
use crate::offsets::Offsets;
use millpond::event::{EventKey, KeyPosition};
use std::fmt;

/// Where a subscription goes on. Text form: in arrival order a token; in key order
/// `<event key>@<token>`, with `-` for the key before the first event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    offsets: Offsets,
    /// In key order: the greatest key that was delivered, if any was.
    key: Option<Option<EventKey>>,
}

impl Position {
    /// Reads a position of either order.
    ///
    /// # Errors
    /// `invalid_argument`: it is none, or was altered.
    pub fn parse(text: &str) -> Result<Position> {
        let Some((key, token)) = text.rsplit_once('@') else {
            return Ok(Offsets::parse(text)?.into());
        };
        let key = match key {
            "-" => None,
            key => Some(key.parse()?),
        };
        Ok(Position { offsets: Offsets::parse(token)?, key: Some(key) })
    }

    /// How much of each stream was looked at.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Where a subscription in arrival order goes on.
    ///
    /// # Errors
    /// `invalid_argument`, reason `key_position`: it is one of key order.
    pub(crate) fn into_arrival(self) -> Result<Offsets> {
        match self.key {
            None => Ok(self.offsets),
            Some(_) => {
                let message = "this is the position of a subscription in key order; say the order \
                               `key`, or a token";
                Err(FacadeError::invalid(message).with_reason("key_position"))
            }
        }
    }

    /// Where a subscription in key order goes on.
    ///
    /// # Errors
    /// `invalid_argument`, reason `key_position`: it is one of arrival order.
    pub(crate) fn into_key_position(self) -> Result<KeyPosition> {
        match self.key {
            Some(last) => Ok(KeyPosition { offsets: self.offsets.into_map(), last }),
            None => Err(key_position_needed()),
        }
    }
}

/// A subscription in key order cannot begin where it was told to.
pub(crate) fn key_position_needed() -> FacadeError {
    let message = "a subscription in key order begins with `beginning`, or with the position of \
                   one in key order";
    FacadeError::invalid(message).with_reason("key_position")
}

impl From<Offsets> for Position {
    fn from(offsets: Offsets) -> Position {
        Position { offsets, key: None }
    }
}

impl From<KeyPosition> for Position {
    fn from(position: KeyPosition) -> Position {
        Position { offsets: position.offsets.into(), key: Some(position.last) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            None => {}
            Some(None) => f.write_str("-@")?,
            Some(Some(key)) => write!(f, "{key}@")?,
        }
        self.offsets.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_in_the_order_that_it_is_of() {
        let stream = format!("{}-0", "07".repeat(32));
        let offsets = Offsets::from_entries([(stream.as_str(), 3)]).unwrap();
        let key: EventKey = format!("5/{stream}").parse().unwrap();
        let arrival = Position::from(offsets.clone());
        assert_eq!(arrival.to_string(), offsets.token());
        assert!(arrival.clone().into_key_position().is_err());
        for last in [None, Some(key)] {
            let map = offsets.clone().into_map();
            let position = Position::from(KeyPosition { offsets: map, last });
            let again = Position::parse(&position.to_string()).unwrap();
            assert_eq!(again, position);
            assert_eq!(again.into_key_position().unwrap().last, last);
        }
        assert_eq!(Position::parse(&arrival.to_string()).unwrap(), arrival);
        for wrong in ["", "@", "-@", &format!("x@{offsets}"), &format!("{offsets}@-")] {
            assert_eq!(Position::parse(wrong).unwrap_err().name, "invalid_argument", "{wrong}");
        }
    }
}
