CREATE TABLE customers (
  id INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  city VARCHAR(60),
  joined DATE NOT NULL
) COMMENT 'People who ordered at least once';
CREATE TABLE orders (
  id INT AUTO_INCREMENT PRIMARY KEY,
  customer_id INT NOT NULL,
  ordered DATE NOT NULL,
  item VARCHAR(80) NOT NULL,
  amount DECIMAL(8,2) NOT NULL,
  paid TINYINT(1) NOT NULL DEFAULT 0,
  FOREIGN KEY (customer_id) REFERENCES customers (id)
);
INSERT INTO customers (name, city, joined) VALUES
  ('Ada Berger', 'Ulm', '2024-03-11'), ('Tom Weiss', 'Graz', '2025-01-20'), ('Mia Novak', NULL, '2025-11-02');
INSERT INTO orders (customer_id, ordered, item, amount, paid) VALUES
  (1, '2025-12-01', 'espresso machine', 329.00, 1), (1, '2025-12-19', 'milk frother', 39.90, 0),
  (2, '2025-12-22', 'kettle', 54.50, 1), (3, '2025-12-30', 'toaster', 49.00, 0);
