//! The `INFO` back end.

use super::{Emitter, Field, RowName, Value, push_one_line, push_value};

/// Collects the text of `INFO`.
#[derive(Debug, Default)]
pub struct InfoText {
    out: Vec<u8>,
}

impl InfoText {
    /// An empty text.
    pub fn new() -> InfoText {
        InfoText::default()
    }

    /// The whole text.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

impl Emitter for InfoText {
    fn section(&mut self, name: &'static str) {
        if !self.out.is_empty() {
            self.out.extend_from_slice(b"\r\n");
        }
        self.out.extend_from_slice(b"# ");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn field(&mut self, field: &Field<'_>, value: Value<'_>) {
        self.out.extend_from_slice(field.name.as_bytes());
        self.out.push(b':');
        push_value(&mut self.out, value);
        self.out.extend_from_slice(b"\r\n");
    }

    fn row(&mut self, name: RowName<'_>, parts: &[(Field<'_>, Value<'_>)]) {
        push_one_line(&mut self.out, name.prefix.as_bytes());
        push_one_line(&mut self.out, name.value.as_bytes());
        for (index, (field, value)) in parts.iter().enumerate() {
            self.out.push(if index == 0 { b':' } else { b',' });
            self.out.extend_from_slice(field.name.as_bytes());
            self.out.push(b'=');
            push_value(&mut self.out, *value);
        }
        self.out.extend_from_slice(b"\r\n");
    }
}
