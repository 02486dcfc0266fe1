//! RFC 3339 dates and date-times to `WallTime` and back, by arithmetic alone.
//!
//! Not here: the clock, and any time zone but a numeric offset.
//! Rule: what `MomentText` prints, `parse_moment` reads back as the same microsecond.
//! Range: 1970-01-01T00:00:00Z up to the last microsecond of 9999, after the offset is applied.

use std::fmt;

use crate::event::WallTime;

/// The first microsecond a query can name.
pub(super) const MOMENT_MIN: i64 = 0;
/// The last microsecond a query can name: 9999-12-31T23:59:59.999999Z.
pub(super) const MOMENT_MAX: i64 = days_before(10_000, 1, 1) * DAY_MICROS - 1;

const SECOND_MICROS: i64 = 1_000_000;
const MINUTE_MICROS: i64 = 60 * SECOND_MICROS;
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Why a text is not a moment: byte position in it, and what was expected there.
pub(super) type MomentError = (usize, &'static str);

/// Reads `YYYY-MM-DD[Thh:mm[:ss[.f…]]][Z|±hh:mm]`, where `f…` is 1 to 9 digits.
///
/// A date alone is its midnight, in UTC unless an offset follows; a time of day needs `Z` or an
/// offset. Digits beyond microseconds are cut off.
///
/// # Errors
/// The byte position in `text` of what is wrong, and what was expected there.
pub(super) fn parse_moment(text: &str) -> Result<WallTime, MomentError> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0 };
    let mut micros = scan.date()? * DAY_MICROS;
    let has_time = scan.take(b"Tt");
    if has_time {
        micros += scan.time_of_day()?;
    }
    match scan.offset()? {
        Some(offset) => micros -= offset,
        None if has_time => return Err((scan.at, "`Z` or an offset such as `+02:00`")),
        None => {}
    }
    if scan.at < scan.bytes.len() {
        return Err((scan.at, "the end of the date or time"));
    }
    if !(MOMENT_MIN..=MOMENT_MAX).contains(&micros) {
        return Err((0, "a time from 1970-01-01T00:00:00Z to the end of 9999"));
    }
    Ok(WallTime::from_micros(micros))
}

/// Whether `text` begins like a date: four digits and `-`.
pub(super) fn begins_like_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    fn date(&mut self) -> Result<i64, MomentError> {
        let year = self.number(4, 1970..=9999, "a year from 1970 to 9999")?;
        self.need(b'-', "`-`")?;
        let month = self.number(2, 1..=12, "a month from 01 to 12")?;
        self.need(b'-', "`-`")?;
        let last = days_in_month(year, month);
        let day = self.number(2, 1..=last, "a day that this month has")?;
        Ok(days_before(year, month, day))
    }

    fn time_of_day(&mut self) -> Result<i64, MomentError> {
        let hour = self.number(2, 0..=23, "an hour from 00 to 23")?;
        self.need(b':', "`:`")?;
        let minute = self.number(2, 0..=59, "a minute from 00 to 59")?;
        let mut micros = hour * HOUR_MICROS + minute * MINUTE_MICROS;
        if self.take(b":") {
            micros += self.number(2, 0..=59, "a second from 00 to 59")? * SECOND_MICROS;
            if self.take(b".") {
                micros += self.fraction()?;
            }
        }
        Ok(micros)
    }

    fn fraction(&mut self) -> Result<i64, MomentError> {
        let start = self.at;
        let mut micros = 0;
        let mut unit = SECOND_MICROS / 10;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            micros += i64::from(digit - b'0') * unit;
            unit /= 10;
            self.at += 1;
        }
        match self.at - start {
            1..=9 => Ok(micros),
            _ => Err((start, "1 to 9 digits of a second")),
        }
    }

    /// The offset from UTC in microseconds, `None` when there is neither `Z` nor an offset.
    fn offset(&mut self) -> Result<Option<i64>, MomentError> {
        let sign = match self.peek() {
            Some(b'Z' | b'z') => {
                self.at += 1;
                return Ok(Some(0));
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Ok(None),
        };
        self.at += 1;
        let hour = self.number(2, 0..=23, "offset hours from 00 to 23")?;
        self.need(b':', "`:`")?;
        let minute = self.number(2, 0..=59, "offset minutes from 00 to 59")?;
        Ok(Some(sign * (hour * HOUR_MICROS + minute * MINUTE_MICROS)))
    }

    fn number(
        &mut self,
        digits: usize,
        range: std::ops::RangeInclusive<i64>,
        expected: &'static str,
    ) -> Result<i64, MomentError> {
        let start = self.at;
        let part = self.text.get(start..start + digits).ok_or((start, expected))?;
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err((start, expected));
        }
        let value = part.bytes().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
        if !range.contains(&value) {
            return Err((start, expected));
        }
        self.at += digits;
        Ok(value)
    }

    fn need(&mut self, byte: u8, expected: &'static str) -> Result<(), MomentError> {
        if self.take(&[byte]) { Ok(()) } else { Err((self.at, expected)) }
    }

    fn take(&mut self, any_of: &[u8]) -> bool {
        let taken = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(taken);
        taken
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Prints a moment as `YYYY-MM-DDThh:mm:ss[.fff[fff]]Z`; must be within the range of this module.
pub(super) struct MomentText(pub(super) WallTime);

impl fmt::Display for MomentText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.micros();
        assert!((MOMENT_MIN..=MOMENT_MAX).contains(&micros), "checked by parser and builder");
        let (year, month, day) = date_of(micros / DAY_MICROS);
        let in_day = micros % DAY_MICROS;
        let (hour, minute) = (in_day / HOUR_MICROS, in_day % HOUR_MICROS / MINUTE_MICROS);
        let second = in_day % MINUTE_MICROS / SECOND_MICROS;
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match in_day % SECOND_MICROS {
            0 => {}
            fraction if fraction % 1_000 == 0 => write!(out, ".{:03}", fraction / 1_000)?,
            fraction => write!(out, ".{fraction:06}")?,
        }
        out.write_str("Z")
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of January of `year`, for years from 1970 on.
const fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    // Leap years before 1970: 1969 / 4 - 1969 / 100 + 1969 / 400.
    (year - 1970) * 365 + past / 4 - past / 100 + past / 400 - 477
}

/// Days from 1970-01-01 to this date.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let mut days = days_before_year(year) + day - 1;
    let mut earlier = 1;
    while earlier < month {
        days += days_in_month(year, earlier);
        earlier += 1;
    }
    days
}

/// Year, month and day of this many days after 1970-01-01; the reverse of `days_before`.
fn date_of(days: i64) -> (i64, i64, i64) {
    // 146,097 days in 400 years: the estimate is exact or one too high or low.
    let mut year = 1970 + days * 400 / 146_097;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before_year(year);
    let mut month = 1;
    while rest >= days_in_month(year, month) {
        rest -= days_in_month(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_are_read_and_written() {
        // Seconds since 1970 as `date -u -d <text> +%s` prints them.
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1972-02-29T00:00:00Z", 68_169_600),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2026-11-22T03:13:17Z", 1_795_317_197),
            ("2100-02-28T23:59:59Z", 4_107_542_399),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("2400-02-29T00:00:00Z", 13_574_563_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            let moment = parse_moment(text).unwrap();
            assert_eq!(moment.micros(), seconds * SECOND_MICROS, "{text}");
            assert_eq!(MomentText(moment).to_string(), text);
        }
    }

    #[test]
    fn shorter_and_shifted_forms_name_the_same_moment() {
        let canonical = |text| MomentText(parse_moment(text).unwrap()).to_string();
        assert_eq!(canonical("2021-07-20"), "2021-07-20T00:00:00Z");
        assert_eq!(canonical("2021-07-20Z"), "2021-07-20T00:00:00Z");
        assert_eq!(canonical("2021-07-20+04:30"), "2021-07-19T19:30:00Z");
        assert_eq!(canonical("2021-07-20t09:53-02:00"), "2021-07-20T11:53:00Z");
        assert_eq!(canonical("2021-07-20T09:53:07.4Z"), "2021-07-20T09:53:07.400Z");
        assert_eq!(canonical("2021-07-20T09:53:07.000001z"), "2021-07-20T09:53:07.000001Z");
        assert_eq!(canonical("2021-07-20T09:53:07.123456789Z"), "2021-07-20T09:53:07.123456Z");
    }

    #[test]
    fn what_no_calendar_has_is_refused_where_it_is_wrong() {
        for (text, at) in [
            ("", 0),
            ("1969-12-31", 0),
            ("2021-13-01", 5),
            ("2021-02-29", 8),
            ("2100-02-29", 8),
            ("2021-2-9", 5),
            ("2021-07-20T", 11),
            ("2021-07-20T24:00Z", 11),
            ("2021-07-20T09:60Z", 14),
            ("2021-07-20T09:53:60Z", 17),
            ("2021-07-20T09:53:07", 19),
            ("2021-07-20T09:53:07.Z", 20),
            ("2021-07-20T09:53:07.1234567890Z", 20),
            ("2021-07-20T09:53Z ", 17),
            ("2021-07-20T09:53+2:00", 17),
            ("1970-01-01+00:01", 0),
            ("9999-12-31T23:59:59-00:01", 0),
            ("2021-07-2ä", 8),
        ] {
            assert_eq!(parse_moment(text).unwrap_err().0, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_microsecond_survives_its_text(micros in MOMENT_MIN..=MOMENT_MAX) {
            let text = MomentText(WallTime::from_micros(micros)).to_string();
            prop_assert_eq!(parse_moment(&text).unwrap().micros(), micros);
        }

        #[test]
        fn days_follow_each_other_through_the_calendar(days in 0_i64..2_932_896) {
            let (year, month, day) = date_of(days);
            prop_assert_eq!(days_before(year, month, day), days);
            let next = date_of(days + 1);
            let same_month = next == (year, month, day + 1);
            let new_month = next == (year, month + 1, 1) && day == days_in_month(year, month);
            let new_year = next == (year + 1, 1, 1) && (month, day) == (12, 31);
            prop_assert!(same_month || new_month || new_year);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9TZ:.+ä-]{0,40}") {
            if let Err((at, _)) = parse_moment(&text) {
                prop_assert!(at <= text.len() && text.is_char_boundary(at));
            }
        }
    }
}
