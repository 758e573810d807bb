async function showStock() {
  const answer = await fetch("/stock.json");
  const stock = await answer.json();
  const rows = stock.map((book) => `<li class="${book.copies ? "" : "sold"}">${book.title}: ${book.copies} copies, shelf ${book.shelf}</li>`);
  document.querySelector("#stock").innerHTML = rows.join("");
  console.info(`stock loaded: ${stock.length} titles`);
  const out = stock.filter((book) => !book.copies);
  if (out.length) console.warn(`sold out: ${out.map((book) => book.title).join(", ")}`);
}

function closeAccount() {
  const sure = confirm("Close the account of Marta Lindqvist?");
  document.querySelector("#account").textContent = sure ? "Account closed" : "Account kept";
}

function rename() {
  const name = prompt("New name of the reading circle", "Thursday readers");
  if (name) document.querySelector("#circle").textContent = name;
}
