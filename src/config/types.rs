//! The types that a snapshot's fields have: named choices, limits, flag sets, secrets.
//!
//! Every option is stored as the text that CONFIG GET prints; [`FromText`] turns that text into the typed
//! field. The text was checked when it was set, so a `None` here means that the option table contradicts itself.

use std::fmt;
use std::path::PathBuf;

use super::number::parse_memory;
use crate::base::num::parse_i64;

/// A typed value read back from an option's canonical text.
pub trait FromText: Sized {
    /// `None` when the text is not this type's.
    fn from_text(text: &str) -> Option<Self>;

    /// The same for text that may be any bytes; only secrets are.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_text(std::str::from_utf8(bytes).ok()?)
    }
}

/// Declares an enum whose variants have the names that options print.
macro_rules! choices {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// The names, in the order in which an error message lists them.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name as CONFIG GET prints it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromText for $name {
            fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
        }
    )+};
}

choices! {
    /// How much is logged; each level includes those behind it.
    LogLevel { Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning", Nothing = "nothing" }
    /// The form of a log line.
    LogFormat { Redis = "redis", Json = "json", Logfmt = "logfmt" }
    /// When the append only file is synced.
    AppendFsync { Everysec = "everysec", Always = "always", No = "no" }
    /// Which keys go when memory is full.
    MaxmemoryPolicy {
        VolatileLru = "volatile-lru", VolatileLfu = "volatile-lfu", VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl", AllkeysLru = "allkeys-lru", AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random", Noeviction = "noeviction",
    }
    /// Who may use a guarded group of commands or options.
    EnableCommand { No = "no", Yes = "yes", Local = "local" }
    /// What new users may do with channels.
    AclPubsubDefault { Allchannels = "allchannels", Resetchannels = "resetchannels" }
    /// Which payloads of RESTORE and of full syncs are checked deeply.
    SanitizeDumpPayload { No = "no", Yes = "yes", Clients = "clients" }
    /// How a replica takes a full sync without a file.
    ReplDisklessLoad { Disabled = "disabled", OnEmptyDb = "on-empty-db", Swapdb = "swapdb" }
    /// What happens when a command that came from the primary or the AOF fails.
    PropagationErrorBehavior { Ignore = "ignore", Panic = "panic", PanicOnReplicas = "panic-on-replicas" }
    /// What a cluster node tells clients as its address.
    EndpointType { Ip = "ip", Hostname = "hostname", UnknownEndpoint = "unknown-endpoint" }
    /// Whether clients must show a certificate.
    TlsAuthClients { No = "no", Yes = "yes", Optional = "optional" }
    /// The part of a client certificate that names the user to log in as.
    TlsAuthClientsUser { Off = "off", CommonName = "CN" }
    /// Which supervisor is told that the server is ready.
    Supervised { Upstart = "upstart", Systemd = "systemd", Auto = "auto", No = "no" }
    /// The syslog facility.
    SyslogFacility {
        User = "user", Local0 = "local0", Local1 = "local1", Local2 = "local2", Local3 = "local3",
        Local4 = "local4", Local5 = "local5", Local6 = "local6", Local7 = "local7",
    }
    /// Whether and how oom_score_adj is set.
    OomScoreAdj { No = "no", Yes = "yes", Absolute = "absolute" }
}

/// Bytes that never show up in a log, a debug print or an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes, for comparing (in constant time) or sending.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl FromText for Secret {
    fn from_text(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Secret(bytes.to_vec()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Save a snapshot when `changes` keys changed within `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last save; at least 1.
    pub seconds: i64,
    /// Changes since the last save; 0 or more.
    pub changes: u64,
}

/// When a client that reads too slowly is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes of pending replies at which the client is closed at once; 0 is no limit.
    pub hard: u64,
    /// Bytes of pending replies that may not be exceeded for `soft_seconds`; 0 is no limit.
    pub soft: u64,
    /// Seconds.
    pub soft_seconds: u64,
}

/// The output limit of every class of client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients and monitors.
    pub normal: OutputLimit,
    /// Replicas of this server.
    pub replica: OutputLimit,
    /// Clients with subscriptions.
    pub pubsub: OutputLimit,
}

/// A size, or a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// Bytes; 0 is no limit.
    Bytes(u64),
    /// 1 to 100.
    Percent(u8),
}

impl MemoryOrPercent {
    /// The limit in bytes, given `maxmemory`; 0 is no limit.
    pub fn bytes(self, maxmemory: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => {
                maxmemory / 100 * u64::from(percent) + maxmemory % 100 * u64::from(percent) / 100
            }
        }
    }
}

/// The server to replicate from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryAddress {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A file mode, written in octal; 0 leaves the mode to the umask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// How a signal shuts the server down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save even with save points; never together with `save`.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Shut down even when saving fails.
    pub force: bool,
}

impl ShutdownFlags {
    /// Reads flag names (`default save nosave now force`, any case); `None` on any other word.
    pub fn parse(words: &[&[u8]]) -> Option<ShutdownFlags> {
        let mut flags = ShutdownFlags::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => flags.save = true,
                b"nosave" => flags.nosave = true,
                b"now" => flags.now = true,
                b"force" => flags.force = true,
                _ => return None,
            }
        }
        Some(flags)
    }
}

impl fmt::Display for ShutdownFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(self.save, "save"), (self.nosave, "nosave"), (self.now, "now"), (self.force, "force")];
        let set: Vec<&str> = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        f.write_str(&if set.is_empty() { "default".to_owned() } else { set.join(" ") })
    }
}

/// Which keyspace events are published, as bits; see [`NotifyFlags::parse`] for the letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(u16);

impl NotifyFlags {
    /// `K`: publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: NotifyFlags = NotifyFlags(1);
    /// `E`: publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: NotifyFlags = NotifyFlags(1 << 1);
    /// `g`: commands of every type (DEL, EXPIRE, RENAME …).
    pub const GENERIC: NotifyFlags = NotifyFlags(1 << 2);
    /// `$`: strings.
    pub const STRING: NotifyFlags = NotifyFlags(1 << 3);
    /// `l`: lists.
    pub const LIST: NotifyFlags = NotifyFlags(1 << 4);
    /// `s`: sets.
    pub const SET: NotifyFlags = NotifyFlags(1 << 5);
    /// `h`: hashes.
    pub const HASH: NotifyFlags = NotifyFlags(1 << 6);
    /// `z`: sorted sets.
    pub const ZSET: NotifyFlags = NotifyFlags(1 << 7);
    /// `x`: keys that expired.
    pub const EXPIRED: NotifyFlags = NotifyFlags(1 << 8);
    /// `e`: keys that were evicted.
    pub const EVICTED: NotifyFlags = NotifyFlags(1 << 9);
    /// `t`: streams.
    pub const STREAM: NotifyFlags = NotifyFlags(1 << 10);
    /// `m`: reads of keys that do not exist; not part of `A`.
    pub const KEY_MISS: NotifyFlags = NotifyFlags(1 << 11);
    /// `d`: module types.
    pub const MODULE: NotifyFlags = NotifyFlags(1 << 12);
    /// `n`: keys that were created; not part of `A`.
    pub const NEW: NotifyFlags = NotifyFlags(1 << 13);
    /// `A`: all of `g$lshzxetd`.
    pub const ALL: NotifyFlags = NotifyFlags(0x17fc);

    /// Letters in the order in which they are printed.
    const LETTERS: [(u8, NotifyFlags); 14] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'n', Self::NEW),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    /// Reads letters in any order; `None` on a letter that is none.
    pub fn parse(letters: &[u8]) -> Option<NotifyFlags> {
        let mut flags = 0;
        for letter in letters {
            flags |= match letter {
                b'A' => Self::ALL.0,
                _ => Self::LETTERS.iter().find(|(known, _)| known == letter)?.1.0,
            };
        }
        Some(NotifyFlags(flags))
    }

    /// Whether every flag of `other` is on.
    pub const fn contains(self, other: NotifyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is published at all.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for NotifyFlags {
    /// With all of `A` on, its letters give way to one `A`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let all = self.contains(Self::ALL);
        if all {
            f.write_char('A')?;
        }
        for (letter, flag) in Self::LETTERS {
            if self.contains(flag) && !(all && Self::ALL.contains(flag)) {
                f.write_char(char::from(letter))?;
            }
        }
        Ok(())
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl FromText for $type {
            fn from_text(text: &str) -> Option<Self> { text.parse().ok() }
        }
    )+};
}
integers!(u8, u16, u32, u64, i32, i64, usize, f64);

impl FromText for bool {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

/// Empty text is no value.
impl<T: FromText> FromText for Option<T> {
    fn from_text(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { Some(None) } else { T::from_bytes(bytes).map(Some) }
    }
}

/// Words with one blank between them.
impl<T: FromText> FromText for Vec<T> {
    fn from_text(text: &str) -> Option<Self> {
        text.split_ascii_whitespace().map(T::from_text).collect()
    }
}

/// `seconds changes` pairs, wrapped because a plain `Vec` reads single words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

impl FromText for SavePoints {
    fn from_text(text: &str) -> Option<Self> {
        let numbers: Vec<&str> = text.split_ascii_whitespace().collect();
        let (pairs, []) = numbers.as_chunks::<2>() else { return None };
        let point = |[seconds, changes]: &[&str; 2]| {
            Some(SavePoint { seconds: seconds.parse().ok()?, changes: changes.parse().ok()? })
        };
        pairs.iter().map(point).collect::<Option<_>>().map(SavePoints)
    }
}

impl std::ops::Deref for SavePoints {
    type Target = [SavePoint];

    fn deref(&self) -> &[SavePoint] {
        &self.0
    }
}

impl FromText for OutputLimits {
    fn from_text(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (groups, []) = words.as_chunks::<4>() else { return None };
        let mut limits = OutputLimits::default();
        for [class, hard, soft, seconds] in groups {
            let limit = OutputLimit {
                hard: hard.parse().ok()?,
                soft: soft.parse().ok()?,
                soft_seconds: seconds.parse().ok()?,
            };
            *limits.class_mut(class.as_bytes())? = limit;
        }
        Some(limits)
    }
}

impl OutputLimits {
    /// The limit of a class by its name; `slave` is the old name of `replica`.
    pub(crate) fn class_mut(&mut self, name: &[u8]) -> Option<&mut OutputLimit> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(&mut self.normal),
            b"slave" | b"replica" => Some(&mut self.replica),
            b"pubsub" => Some(&mut self.pubsub),
            _ => None,
        }
    }
}

impl fmt::Display for OutputLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [("normal", self.normal), (" slave", self.replica), (" pubsub", self.pubsub)];
        for (name, OutputLimit { hard, soft, soft_seconds }) in classes {
            write!(f, "{name} {hard} {soft} {soft_seconds}")?;
        }
        Ok(())
    }
}

impl FromText for MemoryOrPercent {
    fn from_text(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => parse_memory(text.as_bytes()).map(Self::Bytes),
        }
    }
}

impl FromText for PrimaryAddress {
    fn from_text(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(' ')?;
        let port = parse_i64(port.as_bytes())?;
        Some(PrimaryAddress { host: host.to_owned(), port: u16::try_from(port).ok()? })
    }
}

impl FromText for FileMode {
    fn from_text(text: &str) -> Option<Self> {
        u32::from_str_radix(text, 8).ok().map(FileMode)
    }
}

impl FromText for ShutdownFlags {
    fn from_text(text: &str) -> Option<Self> {
        let words: Vec<&[u8]> = text.split_ascii_whitespace().map(str::as_bytes).collect();
        ShutdownFlags::parse(&words)
    }
}

impl FromText for NotifyFlags {
    fn from_text(text: &str) -> Option<Self> {
        NotifyFlags::parse(text.as_bytes())
    }
}

impl FromText for [i32; 3] {
    fn from_text(text: &str) -> Option<Self> {
        Vec::<i32>::from_text(text)?.try_into().ok()
    }
}

impl MaxmemoryPolicy {
    /// Whether the policy counts uses instead of keeping their time.
    pub fn is_lfu(self) -> bool {
        matches!(self, MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu)
    }

    /// Whether the longest unused keys go.
    pub fn is_lru(self) -> bool {
        matches!(self, MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru)
    }
}
