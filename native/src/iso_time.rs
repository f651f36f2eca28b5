//! The one form of time text that is common: `2026-01-31T12:00:00Z`, with up to six decimals.

/// Return the time in units since the epoch, rounded down; `None` for any other form, also for good ones.
pub(crate) fn parse_zulu(text: &[u8], per_second: i64) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    if head[4] != b'-' || head[7] != b'-' || head[10] != b'T' || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let (year, month, day) = (digits(&head[..4])?, digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Year 0 is left to the other side: nobody wants to know what it means there.
    if year < 1 {
        return None;
    }
    let micros = match tail {
        b"Z" => 0,
        [b'.', decimals @ .., b'Z'] if (1..=6).contains(&decimals.len()) => {
            digits(decimals)? * 10_i64.pow(6 - decimals.len() as u32)
        }
        _ => return None,
    };
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let whole = seconds * 1_000_000 + micros;
    match per_second {
        1_000_000 => Some(whole),
        1 | 1_000 => Some(whole.div_euclid(1_000_000 / per_second)),
        // Nanoseconds have a narrower range.
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of a date of the Gregorian calendar since 1970-01-01 (Howard Hinnant's algorithm).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        assert_eq!(parse_zulu(b"1970-01-01T00:00:00Z", 1), Some(0));
        assert_eq!(parse_zulu(b"2000-02-29T12:34:56.789Z", 1_000), Some(951_827_696_789));
        assert_eq!(parse_zulu(b"1969-12-31T23:59:59.999999Z", 1_000_000), Some(-1));
        assert_eq!(parse_zulu(b"1969-12-31T23:59:59.5Z", 1), Some(-1));
    }

    #[test]
    fn everything_else_is_left_to_others() {
        for text in [
            "",
            "2026-01-01",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567Z",
            "2026-01-01 00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-1-01T00:00:00.0Z",
            "+026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_zulu(text.as_bytes(), 1_000), None, "{text}");
        }
        assert_eq!(parse_zulu(b"2026-01-01T00:00:00Z", 1_000_000_000), None);
    }
}
