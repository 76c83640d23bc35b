//! Markdown tables, columns aligned for whoever reads them as text; what stands in them of several rounds; and below them what
//! falls short, and why.

/// The figure in the middle, or between the two there.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2])
}

pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        Table { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub fn print(&self, title: &str) {
        let columns = self.rows[0].len();
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        println!("## {title}\n");
        for (index, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if index == 0 {
                let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                println!("|-{}-|", rules.join("-|-"));
            }
        }
        println!();
    }
}

/// Figures below their bars.
#[derive(Default)]
pub struct Shortfalls(Vec<String>);

impl Shortfalls {
    /// Notes a figure that is too small; `why` is asked only then.
    pub fn compare(&mut self, what: &str, figure: f64, bar: f64, why: impl FnOnce() -> String) {
        if figure < bar {
            self.0.push(format!("{what}: {figure:.2} of {bar}; {}", why()));
        }
    }

    pub fn print(&self) {
        if !self.0.is_empty() {
            println!("Falls short of its bar:\n\n- {}\n", self.0.join("\n- "));
        }
    }
}
