//! Compressed messages.

use super::*;

#[test]
fn cve_2026_54490_a_bomb_ends_at_the_inflated_limit() {
    // The stream itself is small; RFC 7692 §7.2.3.1 says what it means, and without the extension it has no meaning.
    for role in ROLES {
        let mut side = side(role, |config| config.max_message = 1000);
        let rsv1 = RawHeader { rsv1: true, ..by(role.peer(), RawHeader::TEXT) };
        read(&mut side, &frame(rsv1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]));
        assert_eq!(failed(&side), Some(ProtocolError::ReservedBit));
    }
    #[cfg(feature = "deflate")]
    {
        use bowsprit::connection::Connection;
        use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
        for (len, fails) in [
            (1000, None),
            (1001, Some(ProtocolError::MessageTooLong)),
            (50 << 20, Some(ProtocolError::MessageTooLong)),
        ] {
            let mut stream = Vec::with_capacity(len / 500 + 1000);
            let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
            compress.compress_vec(&vec![0; len], &mut stream, flate2::FlushCompress::Sync).unwrap();
            assert!(stream.ends_with(&[0, 0, 0xff, 0xff]));
            stream.truncate(stream.len() - 4);
            let mut settings = config(|config| config.max_message = 1000);
            settings.deflate = Some(DeflateConfig::default());
            let mut conn = Connection::client(Arc::new(settings), Box::new(Random::new(1)), start())
                .with_deflate(DeflateParams::default());
            let mut wire = frame(RawHeader { rsv1: true, ..RawHeader::BINARY }, &stream);
            for piece in wire.chunks_mut(100) {
                let mut input = piece;
                while let Ok(Some(_)) = conn.inbound.next(&mut input, &mut conn.outbound) {
                    assert!(conn.inbound.held() <= 1000);
                }
            }
            assert_eq!(conn.inbound.error(), fails, "{len} bytes");
        }
    }
}

/// zlib in Beast: many matches at a great distance, at each window and level that we send with; another inflater reads it.
#[test]
#[cfg(feature = "deflate")]
fn cve_2018_25032_distant_matches_survive() {
    use bowsprit::connection::Connection;
    use bowsprit::extension::Compression;
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams, WindowBits};

    let mut random = Random::new(25032);
    for bits in 9..=15u8 {
        // A few bytes come again as far away as an encoder looks, with others between.
        let window = 1usize << bits;
        let mut message = random.bytes(window);
        while message.len() < 3 * window {
            let at = message.len() - window + 262 + random.below(8);
            let len = 3 + random.below(5);
            message.extend_from_within(at..at + len);
            let noise = random.below(3);
            message.extend(random.bytes(noise));
        }
        let mut settings = config(|_| {});
        settings.deflate = Some(DeflateConfig::default());
        let params = DeflateParams {
            server_max_window_bits: WindowBits::new(bits).unwrap(),
            ..DeflateParams::default()
        };
        let mut conn = Connection::server(Arc::new(settings), start()).with_deflate(params);
        for _ in 0..3 {
            conn.outbound.send_with(bowsprit::Message::Binary(&message), Compression::On).unwrap();
            let wire = conn.outbound.pending().to_vec();
            conn.outbound.advance(wire.len());
            let [(header, payload)] = &frames(&wire)[..] else { panic!("one frame") };
            assert!(header.rsv1);
            let stream = [&payload[..], &[0, 0, 0xff, 0xff]].concat();
            assert!(inflated(&stream, 1 << bits) == message, "{bits} bits");
        }
    }
}

/// What comes of a stream under another engine than ours, with a window of so many bytes.
#[cfg(feature = "deflate")]
fn inflated(mut stream: &[u8], window: usize) -> Vec<u8> {
    use miniz_oxide::inflate::TINFLStatus;
    use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

    let (mut engine, mut window, mut at, mut out) =
        (Box::<DecompressorOxide>::default(), vec![0; window], 0, Vec::new());
    loop {
        let (status, read, written) =
            decompress(&mut engine, stream, &mut window, at, TINFL_FLAG_HAS_MORE_INPUT);
        out.extend_from_slice(&window[at..at + written]);
        stream = &stream[read..];
        at = (at + written) % window.len();
        match status {
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::NeedsMoreInput => return out,
            other => panic!("{other:?}"),
        }
    }
}

/// CRIME and BREACH: a message with a secret in it can go as it is, on a connection that compresses others.
#[test]
#[cfg(feature = "deflate")]
fn crime_a_message_with_a_secret_goes_uncompressed() {
    use bowsprit::connection::Connection;
    use bowsprit::extension::Compression;
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};

    let mut settings = config(|_| {});
    settings.deflate = Some(DeflateConfig::default());
    let mut conn = Connection::server(Arc::new(settings), start()).with_deflate(DeflateParams::default());
    let text = bowsprit::Message::Text("secret=secret=secret=secret=secret=");
    let mut sent = |choice| {
        conn.outbound.send_with(text, choice).unwrap();
        let wire = conn.outbound.pending().to_vec();
        conn.outbound.advance(wire.len());
        frames(&wire).remove(0)
    };
    assert!(sent(Compression::On).0.rsv1);
    let (header, payload) = sent(Compression::Off);
    assert!(!header.rsv1 && payload == b"secret=secret=secret=secret=secret=");
}
