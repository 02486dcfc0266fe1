//! A ticket has exactly one text, with or without space around it.

use millpond::event::Ticket;

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Ticket>() {
        Ok(ticket) => assert_eq!(ticket.to_string(), text.trim_ascii()),
        Err(error) => {
            assert!(error.reason().is_some() && error.message().len() < 300, "{error}");
            assert!(error.position().is_none_or(|position| position < text.len()), "{error}");
        }
    }
}
