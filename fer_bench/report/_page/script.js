"use strict";
(() => {
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  const colours = () => {
    const root = document.documentElement;
    const preferred = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.colours ?? (preferred.matches ? "dark" : "light")) === "dark";
    const button = make("button", { type: "button" });
    const say = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
    button.addEventListener("click", () => {
      root.dataset.colours = dark() ? "light" : "dark";
      say();
    });
    preferred.addEventListener("change", say);
    say();
    document.querySelector("header").append(button);
  };

  const compare = (one, other, numbers) => {
    if (!numbers) return one.localeCompare(other, "en", { numeric: true });
    return Number(one) - Number(other);
  };

  const sortRows = (body, original, column, direction, numbers) => {
    const key = (row) => numbers ? row.cells[column].dataset.key : row.cells[column].textContent.trim();
    const sign = direction === "descending" ? -1 : 1;
    const rows = [...original];
    if (direction !== "none") {
      // a cell without a value comes last in either direction; equal rows stay in the order of the page
      rows.sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if (a === "" || b === "") return (a === "") - (b === "");
        return sign * compare(a, b, numbers);
      });
    }
    body.append(...rows);
  };

  const sortable = (table, say) => {
    const body = table.tBodies[0];
    const original = [...body.rows];
    if (original.length < 2) return;
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const numbers = "numbers" in header.dataset;
      const order = numbers ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
      const name = header.textContent.trim();
      const button = make("button", { type: "button" }, ...header.childNodes);
      header.append(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const next = order[(order.indexOf(header.getAttribute("aria-sort")) + 1) % order.length];
        headers.forEach((each) => each.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", next);
        sortRows(body, original, column, next, numbers);
        say(next === "none" ? "In the order of the report" : `Sorted by ${name}, ${next}`);
      });
    });
  };

  const searchable = (box, table, say) => {
    const rows = [...table.tBodies[0].rows];
    const input = make("input", { type: "search", id: `${box.id}-search`, autocomplete: "off" });
    const found = make("span", {}, `${rows.length} rows`);
    const label = make("label", { htmlFor: input.id }, "Search in this table");
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      });
      const left = rows.filter((row) => !row.hidden).length;
      found.textContent = wanted.length ? `${left} of ${rows.length} rows` : `${rows.length} rows`;
      say(found.textContent);
    });
    box.prepend(make("div", { className: "search" }, label, input, found));
  };

  const tables = () => {
    for (const box of document.querySelectorAll(".table")) {
      const table = box.querySelector("table");
      if (!table) continue;
      const status = make("p", { className: "unseen" });
      status.setAttribute("role", "status");
      box.append(status);
      const say = (text) => { status.textContent = text; };
      sortable(table, say);
      if ("searched" in box.dataset) searchable(box, table, say);
    }
  };

  const copyable = () => {
    for (const box of document.querySelectorAll(".code")) {
      const button = make("button", { type: "button" }, "Copy");
      button.addEventListener("click", async () => {
        const code = box.querySelector("code");
        try {
          await navigator.clipboard.writeText(code.textContent);
          button.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(code);
          button.textContent = "Selected";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      box.prepend(button);
    }
  };

  colours();
  tables();
  copyable();
})();
