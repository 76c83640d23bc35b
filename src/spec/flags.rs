//! Flags and categories of commands, as small bit sets with Redis's words.

macro_rules! bit_set {
    ($(#[$doc:meta])* $name:ident($repr:ty) { $($(#[$bit_doc:meta])* $bit:ident = $shift:literal => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name($repr);

        impl $name {
            pub const NONE: Self = $name(0);
            $($(#[$bit_doc])* pub const $bit: Self = $name(1 << $shift);)*
            /// Every member with the word Redis calls it by.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$bit, $word),)*];

            pub const fn union(self, other: Self) -> Self {
                $name(self.0 | other.0)
            }

            /// The members that are in both.
            pub const fn intersection(self, other: Self) -> Self {
                $name(self.0 & other.0)
            }

            /// Whether every member of `other` is in `self`.
            #[inline]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any member of `other` is in `self`.
            #[inline]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The words of the members, in declaration order.
            pub fn words(self) -> impl Iterator<Item = &'static str> + Clone {
                Self::ALL.iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, word)| *word)
            }

            pub fn from_word(word: &[u8]) -> Option<Self> {
                Self::ALL.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(bit, _)| *bit)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }
    };
}
pub(super) use bit_set;

bit_set! {
    /// What a command may do and where it is allowed; printed by COMMAND INFO in this order.
    CommandFlags(u32) {
        /// Changes data. Computed from the handler's kind for most commands.
        WRITE = 0 => "write",
        READONLY = 1 => "readonly",
        /// May need memory, so it is refused over `maxmemory`.
        DENYOOM = 2 => "denyoom",
        MODULE = 3 => "module",
        ADMIN = 4 => "admin",
        PUBSUB = 5 => "pubsub",
        NOSCRIPT = 6 => "noscript",
        BLOCKING = 7 => "blocking",
        LOADING = 8 => "loading",
        STALE = 9 => "stale",
        SKIP_MONITOR = 10 => "skip_monitor",
        SKIP_SLOWLOG = 11 => "skip_slowlog",
        ASKING = 12 => "asking",
        FAST = 13 => "fast",
        NO_AUTH = 14 => "no_auth",
        /// Others than those that write, but CLIENT PAUSE WRITE holds them up too.
        MAY_REPLICATE = 15 => "may_replicate",
        NO_MANDATORY_KEYS = 16 => "no_mandatory_keys",
        NO_ASYNC_LOADING = 17 => "no_async_loading",
        NO_MULTI = 18 => "no_multi",
        MOVABLE_KEYS = 19 => "movablekeys",
        ALLOW_BUSY = 20 => "allow_busy",
        /// Refused to all whom its option (`enable-debug-command`, `enable-module-command`) does not let in.
        PROTECTED = 21 => "protected",
    }
}

bit_set! {
    /// ACL categories, in the order of ACL CAT.
    AclCategories(u32) {
        KEYSPACE = 0 => "keyspace",
        READ = 1 => "read",
        WRITE = 2 => "write",
        SET = 3 => "set",
        SORTEDSET = 4 => "sortedset",
        LIST = 5 => "list",
        HASH = 6 => "hash",
        STRING = 7 => "string",
        BITMAP = 8 => "bitmap",
        HYPERLOGLOG = 9 => "hyperloglog",
        GEO = 10 => "geo",
        STREAM = 11 => "stream",
        PUBSUB = 12 => "pubsub",
        ADMIN = 13 => "admin",
        FAST = 14 => "fast",
        SLOW = 15 => "slow",
        BLOCKING = 16 => "blocking",
        DANGEROUS = 17 => "dangerous",
        CONNECTION = 18 => "connection",
        TRANSACTION = 19 => "transaction",
        SCRIPTING = 20 => "scripting",
    }
}

impl CommandFlags {
    /// The words that COMMAND INFO shows; that a command may be repeated on replicas, or is guarded by an option, is a
    /// matter of the server alone.
    pub fn shown_words(self) -> impl Iterator<Item = &'static str> + Clone {
        self.words().filter(|word| !matches!(*word, "may_replicate" | "protected"))
    }

    /// Categories that Redis adds by flag.
    pub const fn implied_categories(self) -> AclCategories {
        let mut categories = AclCategories::NONE;
        if self.contains(Self::WRITE) {
            categories = categories.union(AclCategories::WRITE);
        }
        // A script that only reads (keys optional, not allowed in scripts) is no reading command to rules.
        let is_script = self.contains(Self::NO_MANDATORY_KEYS) && self.contains(Self::NOSCRIPT);
        let is_reading = self.contains(Self::READONLY) && !is_script;
        if is_reading && !self.contains(Self::PUBSUB) && !self.contains(Self::NO_AUTH) {
            categories = categories.union(AclCategories::READ);
        }
        if self.contains(Self::ADMIN) {
            categories = categories.union(AclCategories::ADMIN).union(AclCategories::DANGEROUS);
        }
        if self.contains(Self::PUBSUB) {
            categories = categories.union(AclCategories::PUBSUB);
        }
        if self.contains(Self::FAST) {
            categories = categories.union(AclCategories::FAST);
        } else {
            categories = categories.union(AclCategories::SLOW);
        }
        if self.contains(Self::BLOCKING) {
            categories = categories.union(AclCategories::BLOCKING);
        }
        categories
    }
}

/// The chapter of the documentation that a command stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    pub const fn word(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }

    /// The category that Redis's rows of this group carry. Rows that differ say so themselves.
    pub const fn category(self) -> AclCategories {
        match self {
            Group::Generic | Group::Server | Group::Cluster | Group::PubSub => AclCategories::NONE,
            Group::String => AclCategories::STRING,
            Group::List => AclCategories::LIST,
            Group::Set => AclCategories::SET,
            Group::SortedSet => AclCategories::SORTEDSET,
            Group::Hash => AclCategories::HASH,
            Group::Transactions => AclCategories::TRANSACTION,
            Group::Connection => AclCategories::CONNECTION,
            Group::Scripting => AclCategories::SCRIPTING,
            Group::HyperLogLog => AclCategories::HYPERLOGLOG,
            Group::Geo => AclCategories::GEO,
            Group::Stream => AclCategories::STREAM,
            Group::Bitmap => AclCategories::BITMAP,
        }
    }
}
