#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bowsprit::fuzzing::event_loop::run(data));
