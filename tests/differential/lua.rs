//! Random scripts from a grammar that is data: a rule is a text with holes, and says what fits each hole.
//!
//! ```text
//! r[#r+1] = @          ◀ any   redis.call(@)     ◀ command   'INCRBY', @, @   ◀ key, number
//! ⇒ r[#r+1] = redis.call('INCRBY', KEYS[2], 3.99)
//! ```
//!
//! Holes get what fits most of the time and anything at all now and then, so that errors are compared too. Every statement
//! ends soon, whatever its holes get: loops are short, and what variables keep is small and has no circles.
//! Nothing that a script shows depends on an address, the clock or chance.
//!
//! A script stays a tree ([`Node`]) until it is sent, so that it can be made simpler: fewer statements, and in place of an
//! expression one of its parts.

use super::chance::Chance;
use super::lua_rules::{Kind, LEAVES, RULES};
use super::pair::{Pair, Request, Version};

/// Expressions in each other.
const DEPTH_MAX: usize = 4;
const STATEMENTS_MAX: u64 = 6;
/// Scripts of a sequence.
pub const SCRIPTS: usize = 20;
/// Their texts and errors are those of Redis 8.0.
pub const SINCE: Version = (8, 0);
/// Holes that get anything at all, in percent.
const WRONG_KINDS: u64 = 4;
/// What every script begins with: options of the library back as they were, variables, what it collects, a form of values
/// without their addresses (`S`), and what is small of a value and doesn't lead to a certain table (`B`), and
/// what a statement does, or the error that it ends with (`X`), and what may be raised (`R`): Redis 8.0 exits where the metatable of
/// what is raised raises itself.
const HEAD: &str = "cjson.encode_number_precision(14) cjson.encode_sparse_array(false, 2, 10)\n\
    cjson.encode_max_depth(1000) cjson.decode_max_depth(1000) cjson.encode_keep_buffer(true)\n\
    cjson.encode_invalid_numbers(false) cjson.decode_invalid_numbers(true)\n\
    local r, v1, v2, v3 = {}, 7, 'abc', {1, 'b', 3.5}\n\
    local forms = {table = 'T', ['function'] = 'F'} local function S(v) return forms[type(v)] or tostring(v) end\n\
    local function W(v, t, n) if v == t then return -1 elseif type(v) == 'string' then return n - #v end\n\
    if type(v) == 'table' then for k, x in pairs(v) do n = W(x, t, W(k, t, n - 1)) if n < 0 then break end end end return n end\n\
    local function B(v, t) if W(v, t or r, 400) >= 0 then return v end return type(v) == 'string' and v:sub(1, 99) or {} end\n\
    local function R(v) return (type(v) ~= 'table' or pcall(function() return v.err end)) and v or 'raises' end\n\
    local function X(f) local ok, e = pcall(f) if not ok then r[#r+1] = type(e) == 'table' and e.err or S(e) end end\n";

/// A text with holes, and what is in them.
#[derive(Clone)]
pub struct Node {
    text: &'static str,
    holes: Vec<Node>,
}

impl Node {
    fn leaf(text: &'static str) -> Node {
        Node { text, holes: Vec::new() }
    }

    fn write(&self, out: &mut String) {
        let mut holes = self.holes.iter();
        for (index, part) in self.text.split('@').enumerate() {
            if index > 0
                && let Some(hole) = holes.next()
            {
                hole.write(out);
            }
            out.push_str(part);
        }
    }

    /// The same with something simpler in one place.
    fn simpler(&self) -> Vec<Node> {
        let mut all = self.holes.clone();
        if !self.holes.is_empty() {
            all.extend(["nil", "1", "'a'"].map(Node::leaf));
        }
        for (index, hole) in self.holes.iter().enumerate() {
            all.extend(hole.simpler().into_iter().map(|simple| {
                let mut node = self.clone();
                node.holes[index] = simple;
                node
            }));
        }
        all
    }
}

/// One request of a sequence.
#[derive(Clone)]
pub enum Step {
    Request(Vec<&'static str>),
    Script { statements: Vec<Node>, resp3: bool },
}

impl Step {
    pub fn request(&self) -> Request {
        match self {
            Step::Request(words) => words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            Step::Script { statements, resp3 } => {
                let mut text = String::from(HEAD);
                if *resp3 {
                    text.push_str("redis.setresp(3)\n");
                }
                for statement in statements {
                    statement.write(&mut text);
                    text.push('\n');
                }
                let words = ["EVAL", text.as_str(), "3", "s", "l", "h", "12", "a b", "-3.5"];
                words.iter().map(|word| word.as_bytes().to_vec()).collect()
            }
        }
    }

    fn simpler(&self) -> Vec<Step> {
        let Step::Script { statements, resp3 } = self else { return Vec::new() };
        let mut all = Vec::new();
        for index in 0..statements.len() {
            let mut fewer = statements.clone();
            fewer.remove(index);
            all.push(Step::Script { statements: fewer, resp3: *resp3 });
        }
        if *resp3 {
            all.push(Step::Script { statements: statements.clone(), resp3: false });
        }
        for (index, statement) in statements.iter().enumerate() {
            all.extend(statement.simpler().into_iter().map(|simple| {
                let mut changed = statements.clone();
                changed[index] = simple;
                Step::Script { statements: changed, resp3: *resp3 }
            }));
        }
        all
    }
}

/// What fits a hole of that kind.
fn expression(chance: &mut Chance, kind: Kind, depth: usize) -> Node {
    const ANYTHING: [Kind; 5] = [Kind::Number, Kind::Text, Kind::Table, Kind::Flag, Kind::Reply];
    let is_plain = matches!(kind, Kind::Number | Kind::Text | Kind::Table);
    let kind = match kind {
        Kind::Any => *chance.pick(&ANYTHING),
        Kind::Word => *chance.pick(&[Kind::Text, Kind::Text, Kind::Number]),
        _ if is_plain && chance.percent(WRONG_KINDS) => *chance.pick(&ANYTHING),
        kind => kind,
    };
    let leaves = LEAVES.iter().find(|(of, _)| *of == kind).map(|(_, leaves)| *leaves).unwrap_or_default();
    let rules: Vec<_> = RULES.iter().filter(|(of, ..)| *of == kind).collect();
    let must_end = depth >= DEPTH_MAX || !chance.percent(70);
    if !leaves.is_empty() && (rules.is_empty() || must_end) {
        return Node::leaf(chance.pick::<&'static str>(leaves));
    }
    let (_, text, holes) = **chance.pick(&rules);
    // What can only be made of rules (calls, statements) ends all the same: their holes have leaves.
    Node { text, holes: holes.iter().map(|&hole| expression(chance, hole, depth + 1)).collect() }
}

/// An error in it ends the script, or is one of its results: most random statements end in one, and what stands behind them
/// shall be seen too.
fn statement(chance: &mut Chance, may_end_early: bool) -> Node {
    let statement = expression(chance, Kind::Statement, 0);
    if may_end_early { statement } else { Node { text: "X(function() @ end)", holes: vec![statement] } }
}

/// Requests that fill keys, and scripts.
pub fn sequence(chance: &mut Chance) -> Vec<Step> {
    const FILLING: [&[&str]; 8] = [
        &["SET", "s", "10"],
        &["SET", "s2", "text"],
        &["RPUSH", "l", "a", "1", "", "2.5"],
        &["HSET", "h", "f", "1", "g", "x y"],
        &["ZADD", "z", "1", "a", "2.5", "b", "-inf", "c"],
        &["SADD", "u", "1", "2", "3"],
        &["XADD", "t", "1-1", "f", "v"],
        &["SELECT", "0"],
    ];
    let filling = FILLING.into_iter().filter(|_| chance.percent(70)).collect::<Vec<_>>();
    let mut steps: Vec<Step> = filling.into_iter().map(|words| Step::Request(words.to_vec())).collect();
    for _ in 0..SCRIPTS {
        let count = 1 + chance.below(STATEMENTS_MAX);
        let may_end_early = chance.percent(20);
        let mut statements: Vec<Node> = (0..count).map(|_| statement(chance, may_end_early)).collect();
        statements.push(expression(chance, Kind::End, 0));
        steps.push(Step::Script { statements, resp3: chance.percent(20) });
    }
    steps
}

pub fn requests(steps: &[Step]) -> Vec<Request> {
    steps.iter().map(Step::request).collect()
}

/// Fewer requests and simpler scripts, as long as there is a difference.
pub fn shrunk(pair: &Pair, mut steps: Vec<Step>, resp3: bool) -> Vec<Step> {
    let differs = |candidate: &[Step]| pair.differs(&requests(candidate), resp3).is_some();
    if let Some(difference) = pair.differs(&requests(&steps), resp3) {
        let mut head = steps.clone();
        head.truncate(difference.index + 1);
        if differs(&head) {
            steps = head;
        }
    }
    for index in (0..steps.len()).rev() {
        let mut fewer = steps.clone();
        fewer.remove(index);
        if differs(&fewer) {
            steps = fewer;
        }
    }
    for index in 0..steps.len() {
        let mut is_done = false;
        while !is_done {
            let simpler = steps[index].simpler().into_iter().find_map(|simple| {
                let mut candidate = steps.clone();
                candidate[index] = simple;
                differs(&candidate).then_some(candidate)
            });
            is_done = simpler.is_none();
            steps = simpler.unwrap_or(steps);
        }
    }
    steps
}
