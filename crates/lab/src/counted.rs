//! A number with its noun.

/// The number and the noun, which takes an `s` unless the number is one.
///
/// ```
/// use bowsprit_lab::counted;
///
/// assert_eq!(counted(1, "byte"), "1 byte");
/// assert_eq!(counted(0, "text message"), "0 text messages");
/// ```
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
