//! Times and periods as people write them.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime};

/// A time at which the register is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The end of a day, in the time zone that is given beside it.
    Day(NaiveDate),
    /// A time of the clock in that zone.
    Local(NaiveDateTime),
    /// An instant, with its own offset.
    Instant(DateTime<chrono::Utc>),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Instant(instant.to_utc()));
        }
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::Day(day));
        }
        let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let local = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        local.map(Self::Local).ok_or_else(|| {
            "a day (2026-03-29, its end), a time in --time-zone (2026-03-29T14:05) or with its own offset \
             (2026-03-29T14:05:00+02:00)"
                .to_owned()
        })
    }
}

/// A period that is reported about, in whole days of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// As it is written, and recorded.
    pub text: String,
    /// First day.
    pub first: NaiveDate,
    /// Last day.
    pub last: NaiveDate,
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "2026, 2026-H1, 2026-Q3, 2026-07 or 2026-07-01/2026-07-15".to_owned();
        if let Some((first, last)) = text.split_once('/') {
            let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| wrong());
            let (first, last) = (day(first)?, day(last)?);
            let is_canonical = text == format!("{first}/{last}");
            return if first <= last && is_canonical {
                Ok(Self { text: text.to_owned(), first, last })
            } else {
                Err(wrong())
            };
        }
        let (year, part) = text.split_once('-').map_or((text, None), |(year, part)| (year, Some(part)));
        let year_number: i32 = year.parse().map_err(|_| wrong())?;
        let (month, months) = match part {
            None => (1, 12),
            Some("H1") => (1, 6),
            Some("H2") => (7, 6),
            Some("Q1") => (1, 3),
            Some("Q2") => (4, 3),
            Some("Q3") => (7, 3),
            Some("Q4") => (10, 3),
            Some(month) if month.len() == 2 => (month.parse().map_err(|_| wrong())?, 1),
            Some(_) => return Err(wrong()),
        };
        let first = NaiveDate::from_ymd_opt(year_number, month, 1).filter(|day| day.year() > 0);
        let last = first
            .and_then(|first| first.checked_add_months(Months::new(months))?.checked_sub_days(Days::new(1)));
        match (first, last) {
            (Some(first), Some(last)) if year.len() == 4 => Ok(Self { text: text.to_owned(), first, last }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_on_their_last_day() {
        let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a day");
        for (text, first, last) in [
            ("2024-02", "2024-02-01", "2024-02-29"),
            ("2026", "2026-01-01", "2026-12-31"),
            ("2026-Q4", "2026-10-01", "2026-12-31"),
            ("2026-H1", "2026-01-01", "2026-06-30"),
            ("2026-07-01/2026-07-15", "2026-07-01", "2026-07-15"),
        ] {
            let period: Period = text.parse().expect("a period");
            assert_eq!((period.first, period.last), (day(first), day(last)), "{text}");
        }
        for text in
            ["", "26", "2026-13", "2026-Q5", "2026-7", "2026-07-15/2026-07-01", "2026-07-1/2026-07-15"]
        {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_days_clocks_or_instants() {
        assert!(matches!("2026-03-29".parse(), Ok(At::Day(_))));
        assert!(matches!("2026-03-29T14:05".parse(), Ok(At::Local(_))));
        assert!(matches!("2026-03-29T14:05:00+02:00".parse(), Ok(At::Instant(_))));
        assert!("yesterday".parse::<At>().is_err());
    }
}
