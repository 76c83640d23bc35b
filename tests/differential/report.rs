//! From a sequence that shows a difference to the shortest script that still does.

use super::pair::{Pair, Request, state_questions};
use super::text;

/// Runs a candidate must differ in, so that a race doesn't lead astray.
const RUNS: usize = 2;
/// Values up to this length need not get shorter.
const SHORT_BYTES: usize = 16;
/// Longest line that is shown whole: what every random script begins with has some 500 characters.
const SHOWN_CHARS: usize = 2_000;

/// Fewer commands, then fewer and shorter arguments, as long as there is a difference.
pub fn shrunk(pair: &Pair, mut sequence: Vec<Request>, resp3: bool) -> Vec<Request> {
    let differs = |candidate: &[Request]| (0..RUNS).all(|_| pair.differs(candidate, resp3).is_some());
    if let Some(difference) = pair.differs(&sequence, resp3) {
        let mut head = sequence.clone();
        head.truncate(difference.index + 1);
        if differs(&head) {
            sequence = head;
        }
    }
    let mut piece = sequence.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < sequence.len() {
            let mut candidate = sequence.clone();
            candidate.drain(at..sequence.len().min(at + piece));
            if differs(&candidate) { sequence = candidate } else { at += piece }
        }
        piece /= 2;
    }
    for command in 0..sequence.len() {
        let mut word = 1;
        while word < sequence[command].len() {
            let mut candidate = sequence.clone();
            candidate[command].remove(word);
            if differs(&candidate) { sequence = candidate } else { word += 1 }
        }
        for word in 1..sequence[command].len() {
            while sequence[command][word].len() > SHORT_BYTES {
                let mut candidate = sequence.clone();
                let half = candidate[command][word].len() / 2;
                candidate[command][word].truncate(half);
                if !differs(&candidate) {
                    break;
                }
                sequence = candidate;
            }
        }
    }
    sequence
}

/// A golden script that expects what the real server answers; our answer stands behind it.
/// `None` when there is no difference any more: it was a race with the clock.
pub fn script(pair: &Pair, mut sequence: Vec<Request>, resp3: bool) -> Option<String> {
    let difference = pair.differs(&sequence, resp3)?;
    let questions = state_questions();
    if let Some(question) = difference.index.checked_sub(sequence.len()) {
        // The question in the right database.
        let select = questions[..=question].iter().rposition(|words| words[0] == b"SELECT");
        sequence.extend(select.filter(|&at| at > 0 && at != question).map(|at| questions[at].clone()));
        sequence.push(questions[question].clone());
    } else {
        sequence.truncate(difference.index + 1);
    }
    let mut lines: Vec<String> = resp3.then(|| "! resp3".to_owned()).into_iter().collect();
    for words in &sequence {
        lines.push(words.iter().map(|word| text::word(word)).collect::<Vec<_>>().join(" "));
    }
    lines.push("---".into());
    lines.extend(std::iter::repeat_n("*".to_owned(), sequence.len() - 1));
    lines.extend(text::lines(&difference.theirs, resp3));
    lines.push("# but we answer".into());
    lines.extend(text::lines(&difference.ours, resp3).into_iter().map(|line| format!("# {line}")));
    Some(lines.iter().map(|line| shown(line) + "\n").collect())
}

/// The line, cut when nobody would read it.
fn shown(line: &str) -> String {
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{} … ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}
