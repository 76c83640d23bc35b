//! The arguments of a command as COMMAND DOCS describes them: a small tree.
//!
//! ```text
//! Arg::oneof("condition", &[Arg::token("nx", "NX"), Arg::token("xx", "XX")]).optional().since("2.6.12")
//! ```

/// Kind of an argument, in the words of COMMAND DOCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl ArgKind {
    pub const fn word(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }
}

/// One argument, or a group of them.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub name: &'static str,
    /// What syntax lines show; the name when empty.
    pub display: &'static str,
    pub kind: ArgKind,
    /// The word that stands before the value, or is the value of a pure token.
    pub token: Option<&'static str>,
    /// Which of the command's key specs a key belongs to.
    pub key_spec: Option<u8>,
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    /// The token is repeated with every value.
    pub multiple_token: bool,
    pub parts: &'static [Arg],
}

impl Arg {
    pub const fn new(name: &'static str, kind: ArgKind) -> Self {
        Arg {
            name,
            display: "",
            kind,
            token: None,
            key_spec: None,
            since: None,
            deprecated_since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            parts: &[],
        }
    }

    pub const fn key(name: &'static str, key_spec: u8) -> Self {
        let mut arg = Arg::new(name, ArgKind::Key);
        arg.key_spec = Some(key_spec);
        arg
    }

    /// The key spec whose keys this pattern leads to.
    pub const fn of_key(mut self, key_spec: u8) -> Self {
        self.key_spec = Some(key_spec);
        self
    }

    pub const fn string(name: &'static str) -> Self {
        Arg::new(name, ArgKind::String)
    }

    pub const fn integer(name: &'static str) -> Self {
        Arg::new(name, ArgKind::Integer)
    }

    pub const fn double(name: &'static str) -> Self {
        Arg::new(name, ArgKind::Double)
    }

    pub const fn pattern(name: &'static str) -> Self {
        Arg::new(name, ArgKind::Pattern)
    }

    pub const fn unix_time(name: &'static str) -> Self {
        Arg::new(name, ArgKind::UnixTime)
    }

    /// A bare word.
    pub const fn token(name: &'static str, token: &'static str) -> Self {
        Arg::new(name, ArgKind::PureToken).with_token(token)
    }

    /// Exactly one of the parts.
    pub const fn oneof(name: &'static str, parts: &'static [Arg]) -> Self {
        let mut arg = Arg::new(name, ArgKind::OneOf);
        arg.parts = parts;
        arg
    }

    /// All the parts, in order.
    pub const fn block(name: &'static str, parts: &'static [Arg]) -> Self {
        let mut arg = Arg::new(name, ArgKind::Block);
        arg.parts = parts;
        arg
    }

    pub const fn with_token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    pub const fn display(mut self, text: &'static str) -> Self {
        self.display = text;
        self
    }

    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    pub const fn deprecated_since(mut self, version: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self
    }

    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    pub const fn multiple_token(mut self) -> Self {
        self.multiple_token = true;
        self
    }
}
