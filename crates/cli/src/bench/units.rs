//! Numbers in a suitable unit, with three significant digits.

/// Shows microseconds as ns, µs, ms or s.
pub(super) fn time(us: f64) -> String {
    match us {
        us if us < 0.9995 => format!("{} ns", digits(us * 1e3)),
        us if us < 999.5 => format!("{} µs", digits(us)),
        us if us < 999_500.0 => format!("{} ms", digits(us / 1e3)),
        us => format!("{} s", digits(us / 1e6)),
    }
}

/// Shows bytes as B, kB, MB or GB of 1000.
pub(super) fn bytes(number: f64) -> String {
    match number {
        n if n < 999.5 => format!("{} B", digits(n)),
        n if n < 999_500.0 => format!("{} kB", digits(n / 1e3)),
        n if n < 999_500_000.0 => format!("{} MB", digits(n / 1e6)),
        n => format!("{} GB", digits(n / 1e9)),
    }
}

fn digits(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        n if n < 9.995 => format!("{number:.2}"),
        n if n < 99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_suit_the_number() {
        for (us, text) in [
            (0.0, "0 ns"),
            (0.0123, "12.3 ns"),
            (0.9994, "999 ns"),
            (0.9996, "1.00 µs"),
            (1.0, "1.00 µs"),
            (61.34, "61.3 µs"),
            (999.4, "999 µs"),
            (999.6, "1.00 ms"),
            (12_345.0, "12.3 ms"),
            (999_600.0, "1.00 s"),
            (3_600e6, "3600 s"),
        ] {
            assert_eq!(time(us), text);
        }
        for (number, text) in [
            (0.0, "0 B"),
            (235.0, "235 B"),
            (999.7, "1.00 kB"),
            (18_268.0, "18.3 kB"),
            (2.5e6, "2.50 MB"),
            (1.234e9, "1.23 GB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
