//! Masking compared with its definition (RFC 6455 §5.3) at any alignment, length and cut, and with itself.

use bowsprit::frame::MaskKey;

pub fn run(data: &[u8]) {
    let Some((&[a, b, c, d, start, cut, double], rest)) = data.split_first_chunk() else { return };
    let key = MaskKey([a, b, c, d]);
    // This way small inputs reach the wide paths, too.
    let bytes = rest.repeat(1 << (double % 6));
    let start = usize::from(start).min(bytes.len());
    let bytes = &bytes[start..];

    let mut expected = bytes.to_vec();
    key.apply_naive(&mut expected);
    let mut masked = bytes.to_vec();
    key.apply(&mut masked);
    assert_eq!(masked, expected);

    let mut in_place = [&vec![7; start % 64][..], bytes].concat();
    key.apply(&mut in_place[start % 64..]);
    assert_eq!(in_place[start % 64..], expected);
    assert!(in_place[..start % 64].iter().all(|byte| *byte == 7), "nothing in front is touched");

    let mut pieces = bytes.to_vec();
    let (mut at, step) = (0, 1 + usize::from(cut));
    for piece in pieces.chunks_mut(step) {
        let len = piece.len();
        key.rotated(at).apply(piece);
        at += len;
    }
    assert_eq!(pieces, expected, "cut into {step}");

    key.apply(&mut masked);
    assert_eq!(masked, bytes, "unmasking is masking");
}
