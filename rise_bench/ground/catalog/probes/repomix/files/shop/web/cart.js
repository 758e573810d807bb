export function total(items) {
  let sum = 0;
  for (const item of items) {
    sum += item.price * item.copies;
  }
  return sum;
}

export class Cart {
  constructor() {
    this.items = [];
  }

  add(item) {
    this.items.push(item);
    return this.items.length;
  }
}
