let copies = 2;
var price = 8.99;
function total(items) {
  let sum = 0;
  if (items == null) return sum;
  return cart.sum(items);
}
