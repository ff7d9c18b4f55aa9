-- A trading house, as such schemas were once drawn: keys that nobody counts, links between two tables, a row that refers to its own table,
-- two ways to one table, a foreign key that is not called so. BYTEA is replaced for engines that lack it.
CREATE TABLE region (
    region_id SMALLINT NOT NULL,
    region_description VARCHAR(60) NOT NULL,
    CONSTRAINT pk_region PRIMARY KEY (region_id)
);
CREATE TABLE territories (
    territory_id VARCHAR(20) NOT NULL,
    label VARCHAR(60) NOT NULL,
    region_id SMALLINT NOT NULL,
    CONSTRAINT pk_territories PRIMARY KEY (territory_id),
    CONSTRAINT fk_territories_region FOREIGN KEY (region_id) REFERENCES region (region_id)
);
CREATE TABLE staff (
    staff_id SMALLINT NOT NULL,
    name VARCHAR(40) NOT NULL,
    hired DATE,
    portrait BYTEA,
    notes TEXT,
    reports_to SMALLINT,
    CONSTRAINT pk_staff PRIMARY KEY (staff_id),
    CONSTRAINT fk_staff_staff FOREIGN KEY (reports_to) REFERENCES staff (staff_id)
);
CREATE TABLE staff_territories (
    staff_id SMALLINT NOT NULL,
    territory_id VARCHAR(20) NOT NULL,
    CONSTRAINT pk_staff_territories PRIMARY KEY (staff_id, territory_id),
    CONSTRAINT fk_staff_territories_staff FOREIGN KEY (staff_id) REFERENCES staff (staff_id),
    CONSTRAINT fk_staff_territories_territories FOREIGN KEY (territory_id) REFERENCES territories (territory_id)
);
CREATE TABLE carriers (
    carrier_id SMALLINT NOT NULL,
    name VARCHAR(40) NOT NULL,
    CONSTRAINT pk_carriers PRIMARY KEY (carrier_id)
);
CREATE TABLE orders (
    order_id SMALLINT NOT NULL,
    seller_id SMALLINT NOT NULL,
    packer_id SMALLINT,
    ordered DATE,
    ship_via SMALLINT,
    freight REAL,
    CONSTRAINT pk_orders PRIMARY KEY (order_id),
    CONSTRAINT fk_orders_seller FOREIGN KEY (seller_id) REFERENCES staff (staff_id),
    CONSTRAINT fk_orders_packer FOREIGN KEY (packer_id) REFERENCES staff (staff_id),
    CONSTRAINT fk_orders_carriers FOREIGN KEY (ship_via) REFERENCES carriers (carrier_id)
);
CREATE TABLE products (
    product_id SMALLINT NOT NULL,
    name VARCHAR(40) NOT NULL,
    unit_price REAL,
    discontinued INTEGER NOT NULL,
    CONSTRAINT pk_products PRIMARY KEY (product_id)
);
CREATE TABLE order_details (
    order_id SMALLINT NOT NULL,
    product_id SMALLINT NOT NULL,
    unit_price REAL NOT NULL,
    quantity SMALLINT NOT NULL,
    CONSTRAINT pk_order_details PRIMARY KEY (order_id, product_id),
    CONSTRAINT fk_order_details_orders FOREIGN KEY (order_id) REFERENCES orders (order_id),
    CONSTRAINT fk_order_details_products FOREIGN KEY (product_id) REFERENCES products (product_id)
);
INSERT INTO region (region_id, region_description) VALUES (1, 'North'), (2, 'South');
INSERT INTO territories (territory_id, label, region_id) VALUES ('01', 'Fjords', 1), ('02', 'Skerries', 1), ('03', 'Dunes', 2);
INSERT INTO staff (staff_id, name, hired) VALUES (1, 'Ada', '2001-05-01');
INSERT INTO staff (staff_id, name, hired, reports_to) VALUES (2, 'Bo', '2003-02-01', 1), (3, 'Cem', NULL, 1);
INSERT INTO staff_territories (staff_id, territory_id) VALUES (2, '01'), (2, '02'), (3, '02');
INSERT INTO carriers (carrier_id, name) VALUES (1, 'Swift');
INSERT INTO orders (order_id, seller_id, packer_id, ordered, ship_via, freight) VALUES (10, 2, 3, '2024-01-02', 1, 3.5), (11, 2, NULL, NULL, NULL, NULL);
INSERT INTO products (product_id, name, unit_price, discontinued) VALUES (1, 'Tea', 4.5, 0), (2, 'Salt', 1.25, 1);
INSERT INTO order_details (order_id, product_id, unit_price, quantity) VALUES (10, 1, 4.5, 3), (10, 2, 1.25, 1), (11, 1, 4.0, 1);
