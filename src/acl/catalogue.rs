//! What rules know of commands: their names, their categories, and which are parts of others.

use std::collections::HashMap;

use crate::spec::AclCategories;

/// One command or subcommand.
#[derive(Clone, Debug)]
pub struct CommandFacts {
    /// Its number, which bit sets know it by.
    pub id: u16,
    /// In lower case: `get`, `config|set`.
    pub full_name: String,
    pub categories: AclCategories,
    /// The number of the command that it is a subcommand of.
    pub parent: Option<u16>,
}

/// All commands, also those that `rename-command` has hidden: rules speak of them by their first names.
#[derive(Default)]
pub struct Catalogue {
    commands: Vec<CommandFacts>,
    by_name: HashMap<String, usize>,
    /// Numbers of subcommands, by that of their container.
    children: HashMap<u16, Vec<u16>>,
    /// One more than the largest number.
    id_end: usize,
}

impl Catalogue {
    pub fn new(commands: impl IntoIterator<Item = CommandFacts>) -> Catalogue {
        let mut catalogue = Catalogue { commands: commands.into_iter().collect(), ..Catalogue::default() };
        for (position, facts) in catalogue.commands.iter().enumerate() {
            catalogue.by_name.insert(facts.full_name.clone(), position);
            catalogue.id_end = catalogue.id_end.max(usize::from(facts.id) + 1);
            if let Some(parent) = facts.parent {
                catalogue.children.entry(parent).or_default().push(facts.id);
            }
        }
        catalogue
    }

    /// The command called `get` or `config|set`, in any case.
    pub fn find(&self, full_name: &[u8]) -> Option<&CommandFacts> {
        let name = std::str::from_utf8(full_name).ok()?.to_ascii_lowercase();
        self.commands.get(*self.by_name.get(&name)?)
    }

    /// The subcommands of a command.
    pub fn children(&self, id: u16) -> &[u16] {
        self.children.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The commands of a category, and their names, in the order of the table.
    pub fn of_category(&self, category: AclCategories) -> impl Iterator<Item = &CommandFacts> {
        self.commands.iter().filter(move |facts| facts.categories.contains(category))
    }

    /// One more than the largest number of a command.
    pub fn id_end(&self) -> usize {
        self.id_end
    }
}
