() => [...document.querySelectorAll("li.book")].map((book) => book.textContent)
