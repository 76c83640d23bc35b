//! Configuration text: words survive quoting, a file that was read is read again to the same values from what
//! CONFIG GET says, and CONFIG SET with the value that CONFIG GET gave changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre::base::words::{quote, split_args};
use ochre::config::{Caller, EnableCommand, Flags, OPTIONS, OptionSpec, Startup, Stdin, Store};

fuzz_target!(|input: (Vec<u8>, Vec<(u16, Vec<u8>)>)| {
    let (text, pairs) = input;
    words(&text);
    if let Some(store) = load(text) {
        round_trip(&store);
    }
    let Some(store) = load(Vec::new()) else { panic!("the defaults load") };
    for (option, value) in pairs {
        let name = OPTIONS[usize::from(option) % OPTIONS.len()].name;
        let before = value_of(&store, name);
        match store.set(&[(name.as_bytes(), &value)], Caller::Local, |_, _, _| Ok(())) {
            Ok(()) => set_again(&store, name),
            Err(_) => assert_eq!(value_of(&store, name), before, "{name} changed although it was refused"),
        }
    }
});

fn words(line: &[u8]) {
    let quoted = quote(line);
    assert!(!quoted.contains('\n'));
    assert_eq!(split_args(quoted.as_bytes()), Ok(vec![line.to_vec()]));
    if let Ok(words) = split_args(line) {
        let again: Vec<String> = words.iter().map(|word| quote(word)).collect();
        assert_eq!(split_args(again.join(" ").as_bytes()), Ok(words));
    }
}

/// A configuration from text. Included files are none of our business.
fn load(text: Vec<u8>) -> Option<Store> {
    let lower = text.to_ascii_lowercase();
    if lower.windows(7).any(|word| word == b"include") || text.len() > 10_000 {
        return None;
    }
    // A quoted word can spell it too.
    for line in text.split(|&byte| byte == b'\n') {
        let first = split_args(line).ok().and_then(|words| words.into_iter().next()).unwrap_or_default();
        if first.eq_ignore_ascii_case(b"include") {
            return None;
        }
    }
    Store::load(Startup { stdin: Stdin::Text(text), ..Startup::default() }).ok()
}

fn value_of(store: &Store, name: &str) -> Vec<u8> {
    store.get(&[name.as_bytes()]).pop().map(|(_, value)| value).unwrap_or_default()
}

/// Whether no value has changed: options that name a file are always told, because the file may have.
fn is_same(changed: &[&OptionSpec]) -> bool {
    changed.iter().all(|option| option.flags.has(Flags::NAMES_FILE))
}

fn set_again(store: &Store, name: &str) {
    let value = value_of(store, name);
    let outcome = store.set(&[(name.as_bytes(), &value)], Caller::Local, |_, _, changed| {
        assert!(is_same(changed), "{name} {:?} is not canonical", value.escape_ascii().to_string());
        Ok(())
    });
    assert!(outcome.is_ok(), "{name} refuses its own value {:?}", value.escape_ascii().to_string());
}

/// All options at once: the configuration is made anew by each call.
fn round_trip(store: &Store) {
    let guard = store.snapshot().enable_protected_configs;
    let is_refused = |spec: &&OptionSpec| {
        spec.flags.has(Flags::IMMUTABLE) || spec.flags.has(Flags::PROTECTED) && guard == EnableCommand::No
    };
    let settable = OPTIONS.iter().filter(|spec| !is_refused(spec));
    let values: Vec<(&[u8], Vec<u8>)> =
        settable.map(|spec| (spec.name.as_bytes(), value_of(store, spec.name))).collect();
    let pairs: Vec<(&[u8], &[u8])> = values.iter().map(|(name, value)| (*name, &**value)).collect();
    let outcome = store.set(&pairs, Caller::Local, |_, _, changed| {
        let names: Vec<&str> = changed.iter().map(|option| option.name).collect();
        assert!(is_same(changed), "not all canonical: {names:?}");
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("a value is refused that was there: {error}");
    }
}
