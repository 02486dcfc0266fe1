//! A ticket has exactly one text, with or without space around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond::event::Ticket;

fuzz_target!(|text: &str| {
    match text.parse::<Ticket>() {
        Ok(ticket) => assert_eq!(ticket.to_string(), text.trim_ascii()),
        Err(error) => {
            assert!(error.reason().is_some() && error.message().len() < 300, "{error}");
            assert!(error.position().is_none_or(|position| position < text.len()), "{error}");
        }
    }
});
