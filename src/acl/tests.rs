//! Rules, descriptions and decisions on a small table of commands; what a real server says is in the golden scripts of ACL.

use std::path::Path;

use proptest::prelude::*;

use super::check::{ChannelsUsed, KeysUsed};
use super::log::Refusal;
use super::*;
use crate::resp::{Args, OwnedArgs};
use crate::spec::{AclCategories, KeyFlags};

const GET: u16 = 0;
const SET: u16 = 1;
const CONFIG: u16 = 2;
const CONFIG_SET: u16 = 3;

fn acl() -> Acl {
    let facts = |id, full_name: &str, categories, parent| CommandFacts {
        id,
        full_name: full_name.to_owned(),
        categories,
        parent,
    };
    Acl::new(Catalogue::new([
        facts(GET, "get", AclCategories::READ, None),
        facts(SET, "set", AclCategories::WRITE, None),
        facts(CONFIG, "config", AclCategories::SLOW, None),
        facts(CONFIG_SET, "config|set", AclCategories::ADMIN, Some(CONFIG)),
    ]))
}

fn set_user(acl: &Acl, name: &str, rules: &str) -> Result<Consequences, String> {
    let rules: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    acl.set_user(name.as_bytes(), &rules).map_err(|error| String::from_utf8(error).unwrap())
}

fn line(acl: &Acl, name: &str) -> String {
    String::from_utf8(acl.find(name.as_bytes()).unwrap().line()).unwrap()
}

/// A command with keys at the end: `r:name` is read, `w:name` written, `c:name` a channel, `p:name` a pattern of channels.
struct Asked {
    command: u16,
    words: OwnedArgs,
}

impl Touches for Asked {
    fn command(&self) -> u16 {
        self.command
    }

    fn is_subcommand(&self) -> bool {
        self.command == CONFIG_SET
    }

    fn is_for_strangers(&self) -> bool {
        false
    }

    fn args(&self) -> &Args<'_> {
        // Kept as long as the question, which is as long as the test.
        Box::leak(Box::new(self.words.as_args()))
    }

    fn keys(&self) -> KeysUsed {
        let args = self.words.as_args();
        let flags = |word: &[u8]| match word.first() {
            Some(b'r') => Some(KeyFlags::ACCESS),
            Some(b'w') => Some(KeyFlags::UPDATE),
            _ => None,
        };
        let found = args.iter().enumerate().filter_map(|(at, word)| Some((at, flags(word)?)));
        found.collect()
    }

    fn channels(&self) -> ChannelsUsed {
        let args = self.words.as_args();
        let channels = args.iter().enumerate().filter(|(_, word)| matches!(word.first(), Some(b'c' | b'p')));
        channels.map(|(at, word)| (at, word.first() == Some(&b'p'))).collect()
    }
}

fn check(acl: &Acl, name: &str, command: u16, words: &str) -> Result<(), Denied> {
    let words = OwnedArgs::from_slices(words.split(' ').map(str::as_bytes));
    acl.find(name.as_bytes()).unwrap().check(&Asked { command, words })
}

#[test]
fn one_selector_must_allow_all_of_a_request() {
    let acl = acl();
    set_user(&acl, "u", "on nopass ~r:1* +get (%W~w:* ~r:2* &c:* +set)").unwrap();
    assert_eq!(check(&acl, "u", GET, "x r:1"), Ok(()));
    assert_eq!(check(&acl, "u", GET, "x r:1 r:2"), Err(Denied::Key(2)));
    assert_eq!(check(&acl, "u", SET, "x r:2 w:1 c:1"), Ok(()));
    assert_eq!(check(&acl, "u", SET, "x r:1 w:1"), Err(Denied::Key(1)));
    assert_eq!(check(&acl, "u", SET, "x w:1 p:1"), Err(Denied::Channel(2)));
    assert_eq!(check(&acl, "u", CONFIG_SET, "x r:1"), Err(Denied::Command));
    set_user(&acl, "u", "&p:1").unwrap();
    assert_eq!(check(&acl, "u", GET, "x r:1 p:1"), Ok(()));
    assert_eq!(check(&acl, "u", GET, "x r:1 p:2"), Err(Denied::Channel(2)));
}

#[test]
fn a_user_without_limits_is_known_as_such() {
    let acl = acl();
    let is_unlimited = |name: &str| acl.find(name.as_bytes()).unwrap().is_unlimited;
    assert!(is_unlimited("default"));
    set_user(&acl, "u", "(~* &* +@all)").unwrap();
    assert!(is_unlimited("u"));
    set_user(&acl, "u", "clearselectors ~* &* +@all -get").unwrap();
    assert!(!is_unlimited("u"));
    assert_eq!(check(&acl, "u", GET, "x"), Err(Denied::Command));
    assert_eq!(check(&acl, "u", CONFIG_SET, "x"), Ok(()));
}

#[test]
fn what_would_break_a_file_is_no_rule() {
    let acl = acl();
    for rule in [
        "+get|a b",
        "+get|a\nuser evil on nopass +@all",
        "~a\nb",
        "&a\0",
        "(~a \"~b)",
        "(~a) ~b)",
        r#"("~a\"b")"#,
    ] {
        assert!(acl.set_user(b"u", &[rule.as_bytes()]).is_err(), "{rule}");
    }
    assert_eq!(acl.users().len(), 1);
}

#[test]
fn errors_quote_no_secrets() {
    let acl = acl();
    let error = |rules: &[&str]| {
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        String::from_utf8(acl.set_user(b"u", &rules).err().unwrap()).unwrap()
    };
    let hash = "3946ca64ff78d93ca61090a437cbb6b3d2ca0d488f5f9ccf3059608368b27693";
    let absent = "The password you are trying to remove from the user does not exist";
    let malformed =
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
    for (rule, shown, reason) in [
        ("<hunter2", "<(redacted)", absent),
        (&format!("!{hash}"), "!(redacted)", absent),
        ("!hunter2 5", "!(redacted)", malformed),
        ("#hunter2", "#(redacted)", malformed),
        (&format!("#{}", hash.to_uppercase()), "#(redacted)", malformed),
        ("(>hunter2)", "(>(redacted)", "Syntax error"),
        ("(~a >hunter2 x)", "(~a >(redacted)", "Syntax error"),
        ("~a>b c", "~a>b c", "Syntax error"),
    ] {
        assert_eq!(error(&[rule]), format!("Error in ACL SETUSER modifier '{shown}': {reason}"));
    }
    let unmatched = error(&["on", "(>hunter2", "+@all"]);
    assert_eq!(unmatched, "Unmatched parenthesis in acl selector starting at '(>(redacted)'.");
}

#[test]
fn ids_tell_one_user_from_the_next_of_the_name() {
    let acl = acl();
    set_user(&acl, "u", "on").unwrap();
    let first = acl.find(b"u").unwrap().id;
    set_user(&acl, "u", "off").unwrap();
    assert_eq!(acl.find(b"u").unwrap().id, first);
    acl.load(Path::new("f"), b"user u on\n").unwrap();
    assert_eq!(acl.find(b"u").unwrap().id, first);
    assert_eq!(acl.delete(&[b"u", b"default", b"u"]), [Box::from(&b"u"[..])]);
    set_user(&acl, "u", "on").unwrap();
    assert_ne!(acl.find(b"u").unwrap().id, first);
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let acl = acl();
    set_user(&acl, "old", "on &a &b").unwrap();
    set_user(&acl, "kept", "on &a &b").unwrap();
    let bad = b"user new on\n\nbad\nuser new on\nuser x +nope hmm hmm ~a\nuser y (~a\n";
    let error = String::from_utf8(acl.load(Path::new("f"), bad).err().unwrap()).unwrap();
    assert_eq!(
        error,
        "f:3 should start with user keyword followed by the username. WARNING: Duplicate user 'new' found on line 4. \
         f:5: Error in applying operation '+nope': Unknown command or category name in ACL. f:5: Syntax error. \
         f:6: Unmatched parenthesis in selector definition.WARNING: ACL errors detected, no change to the previously \
         active ACL rules was performed"
    );
    assert_eq!(acl.users().len(), 3);
    let consequences = acl.load(Path::new("f"), b" user kept on &a \r\nuser new on\n").unwrap();
    assert_eq!(consequences.gone, [Box::from(&b"old"[..])]);
    assert_eq!(consequences.restricted.len(), 1);
    assert_eq!(line(&acl, "default"), "user default on nopass sanitize-payload ~* &* +@all");
}

#[test]
fn lines_of_a_configuration_are_quoted_where_they_must_be() {
    let acl = acl();
    set_user(&acl, "u\"1", "on ~a'b ~c\\d +get|'").unwrap();
    let declarations = acl.declarations();
    let words = |line: &String| crate::base::words::split_args(line.as_bytes()).unwrap();
    let before = line(&acl, "u\"1");
    let other = self::acl();
    declarations.iter().for_each(|line| other.declare(&words(line)).unwrap());
    assert_eq!(line(&other, "u\"1"), before);
    let error = other.declare(&[b"x".to_vec(), b"+nope".to_vec()]).err().unwrap();
    assert_eq!(error, "Error in user declaration 'x': Unknown command or category name in ACL");
    let error = other.declare(&[b"x on >secret".to_vec()]).err().unwrap();
    assert_eq!(error, "Error in user declaration 'x': Spaces not allowed in ACL usernames");
}

#[test]
fn files_of_servers_with_replicas_and_vectors_load() {
    let acl = acl();
    let text = "user replica on -@all +psync +replconf +get\nuser v on -@all +vsim +vadd\n";
    acl.load(Path::new("users.acl"), text.as_bytes()).unwrap();
    let described = "user replica on sanitize-payload resetchannels -@all +psync +replconf +get";
    assert_eq!(line(&acl, "replica"), described);
    assert!(set_user(&acl, "x", "-replicaof +failover|to").is_ok());
    assert!(set_user(&acl, "x", "+vnothing").is_err());
}

#[test]
fn refusals_alike_are_one_entry() {
    let log = Log::default();
    let add = |object: &[u8], now_ms| {
        let (reason, context) = (Reason::Key, Context::TopLevel);
        let refusal = Refusal { reason, context, object, username: b"u", client: Vec::new(), now_ms };
        log.add(refusal, 11);
    };
    let counts = || log.newest(99).iter().map(|entry| (entry.id, entry.count)).collect::<Vec<_>>();
    add(b"a", 0);
    add(b"b", 1);
    add(b"a", 60_000);
    assert_eq!(counts(), [(0, 2), (1, 1)]);
    add(b"a", 120_001);
    assert_eq!(counts(), [(2, 1), (0, 2), (1, 1)]);
    (0..20u8).for_each(|object| add(&[object], 120_001));
    assert_eq!(counts().len(), 11);
    assert_eq!(log.newest(1).len(), 1);
}

fn rule() -> impl Strategy<Value = String> {
    prop_oneof![
        "[+-](get|set|config|config\\|set|get\\|[a-c]|@read|@write|@slow|@all)",
        "(~|%R~|%W~|%RW~|&)[a-c*]{0,2}",
        "(on|off|nopass|resetpass|allkeys|resetkeys|allchannels|resetchannels|reset|clearselectors|sanitize-payload)",
        "[<>][ab]",
        "\\(([+-](get|set|@all)|~a\\*?|&b| )*\\)",
    ]
}

proptest! {
    #[test]
    fn a_description_makes_the_same_user_again(rules in prop::collection::vec(rule(), 0..12)) {
        let acl = acl();
        for rule in &rules {
            // Some are refused, depending on those before.
            let _ = acl.set_user(b"u", &[rule.as_bytes()]);
        }
        let _ = acl.set_user(b"u", &[]);
        let text = acl.to_text();
        let other = self::acl();
        prop_assert!(other.load(Path::new("f"), &text).is_ok(), "{}", String::from_utf8_lossy(&text));
        let again = self::acl();
        prop_assert!(again.load(Path::new("f"), &other.to_text()).is_ok());
        prop_assert_eq!(again.to_text(), other.to_text());
        for command in [GET, SET, CONFIG, CONFIG_SET] {
            for words in ["get a", "get r:a", "set w:a c:b", "config set p:b"] {
                prop_assert_eq!(check(&acl, "u", command, words), check(&other, "u", command, words));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_rule_or_none(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6)) {
        let acl = acl();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let _ = acl.set_user(b"u", &words);
        let _ = acl.load(Path::new("f"), &words.join(&b'\n'));
        prop_assert!(acl.find(DEFAULT).is_some());
    }
}
