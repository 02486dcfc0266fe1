//! A text that parses as a query prints as one that parses to the same; a complaint points into
//! the text.

use millpond::query::Query;

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Query::parse(text) {
        Ok(query) => {
            let printed = query.to_string();
            let again = Query::parse(&printed).expect("a printed query parses");
            assert_eq!(again, query);
            assert_eq!(again.to_string(), printed);
        }
        Err(error) => {
            let position = error.position().unwrap_or(0);
            assert!(position <= text.len() && text.is_char_boundary(position), "{error}");
        }
    }
}
