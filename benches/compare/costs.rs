//! CPU time of one operation: of each server, and how many times Ochre's the others take, with the bar beside it.

use crate::Plan;
use crate::report::Table;

pub struct Costs {
    table: Table,
    /// Servers beside Ochre.
    others: usize,
}

impl Costs {
    /// A table whose rows begin with columns of these names. `unit` is that of the costs.
    pub fn new(plan: &Plan, first: &[&str], unit: &str) -> Costs {
        let names: Vec<&str> = plan.peers.iter().map(|peer| peer.name.as_str()).collect();
        let mut head: Vec<String> = first.iter().map(|&word| word.to_owned()).collect();
        head.extend(names.iter().map(|name| format!("{name} {unit}")));
        head.extend(names[1..].iter().map(|name| format!("{name} ÷ ochre")));
        head.push("bar".into());
        Costs { table: Table::new(head), others: names.len() - 1 }
    }

    /// `costs` are those of each server, Ochre first; none where a server lacks the command.
    pub fn row(&mut self, first: &[&str], costs: &[Option<f64>], bar: f64) {
        let number = |cost: Option<f64>| cost.map_or("–".into(), |cost| format!("{cost:.3}"));
        let mut cells: Vec<String> = first.iter().map(|&word| word.to_owned()).collect();
        cells.extend(costs.iter().map(|&cost| number(cost)));
        for other in 1..=self.others {
            let ratio = costs[other].zip(costs[0]).map(|(other, ochre)| other / ochre);
            cells.push(ratio.map_or("–".into(), |ratio| format!("{ratio:.2}")));
        }
        cells.push(format!("≥ {bar}"));
        self.table.row(cells);
    }

    pub fn print(&self, title: &str) {
        self.table.print(title);
    }
}
