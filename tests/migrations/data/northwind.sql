-- The schema of the Northwind database and a few of its rows, in the form for PostgreSQL (https://github.com/pthom/northwind_psql); LICENSE_HERE
-- BYTEA and TIMESTAMP are replaced for others.

CREATE TABLE categories (
    category_id SMALLINT NOT NULL,
    category_name VARCHAR(15) NOT NULL,
    description TEXT,
    picture BYTEA,
    CONSTRAINT pk_categories PRIMARY KEY (category_id)
);
CREATE TABLE customer_demographics (
    customer_type_id VARCHAR(5) NOT NULL,
    customer_desc TEXT,
    CONSTRAINT pk_customer_demographics PRIMARY KEY (customer_type_id)
);
CREATE TABLE customers (
    customer_id VARCHAR(5) NOT NULL,
    company_name VARCHAR(40) NOT NULL,
    contact_name VARCHAR(30),
    contact_title VARCHAR(30),
    address VARCHAR(60),
    city VARCHAR(15),
    region VARCHAR(15),
    postal_code VARCHAR(10),
    country VARCHAR(15),
    phone VARCHAR(24),
    fax VARCHAR(24),
    CONSTRAINT pk_customers PRIMARY KEY (customer_id)
);
CREATE TABLE employees (
    employee_id SMALLINT NOT NULL,
    last_name VARCHAR(20) NOT NULL,
    first_name VARCHAR(10) NOT NULL,
    title VARCHAR(30),
    title_of_courtesy VARCHAR(25),
    birth_date DATE,
    hire_date DATE,
    address VARCHAR(60),
    city VARCHAR(15),
    region VARCHAR(15),
    postal_code VARCHAR(10),
    country VARCHAR(15),
    home_phone VARCHAR(24),
    extension VARCHAR(4),
    photo BYTEA,
    notes TEXT,
    reports_to SMALLINT,
    photo_path VARCHAR(255),
    CONSTRAINT pk_employees PRIMARY KEY (employee_id),
    CONSTRAINT fk_employees_employees FOREIGN KEY(reports_to) REFERENCES employees (employee_id)
);
CREATE TABLE region (
    region_id SMALLINT NOT NULL,
    region_description VARCHAR(60) NOT NULL,
    CONSTRAINT pk_region PRIMARY KEY (region_id)
);
CREATE TABLE shippers (
    shipper_id SMALLINT NOT NULL,
    company_name VARCHAR(40) NOT NULL,
    phone VARCHAR(24),
    CONSTRAINT pk_shippers PRIMARY KEY (shipper_id)
);
CREATE TABLE suppliers (
    supplier_id SMALLINT NOT NULL,
    company_name VARCHAR(40) NOT NULL,
    contact_name VARCHAR(30),
    contact_title VARCHAR(30),
    address VARCHAR(60),
    city VARCHAR(15),
    region VARCHAR(15),
    postal_code VARCHAR(10),
    country VARCHAR(15),
    phone VARCHAR(24),
    fax VARCHAR(24),
    homepage TEXT,
    CONSTRAINT pk_suppliers PRIMARY KEY (supplier_id)
);
CREATE TABLE us_states (
    state_id SMALLINT NOT NULL,
    state_name VARCHAR(100),
    state_abbr VARCHAR(2),
    state_region VARCHAR(50),
    CONSTRAINT pk_usstates PRIMARY KEY (state_id)
);
CREATE TABLE customer_customer_demo (
    customer_id VARCHAR(5) NOT NULL,
    customer_type_id VARCHAR(5) NOT NULL,
    CONSTRAINT pk_customer_customer_demo PRIMARY KEY (customer_id, customer_type_id),
    CONSTRAINT fk_customer_customer_demo_customer_demographics FOREIGN KEY(customer_type_id) REFERENCES customer_demographics (customer_type_id),
    CONSTRAINT fk_customer_customer_demo_customers FOREIGN KEY(customer_id) REFERENCES customers (customer_id)
);
CREATE TABLE orders (
    order_id SMALLINT NOT NULL,
    customer_id VARCHAR(5),
    employee_id SMALLINT,
    order_date DATE,
    required_date DATE,
    shipped_date DATE,
    ship_via SMALLINT,
    freight REAL,
    ship_name VARCHAR(40),
    ship_address VARCHAR(60),
    ship_city VARCHAR(15),
    ship_region VARCHAR(15),
    ship_postal_code VARCHAR(10),
    ship_country VARCHAR(15),
    CONSTRAINT pk_orders PRIMARY KEY (order_id),
    CONSTRAINT fk_orders_customers FOREIGN KEY(customer_id) REFERENCES customers (customer_id),
    CONSTRAINT fk_orders_employees FOREIGN KEY(employee_id) REFERENCES employees (employee_id),
    CONSTRAINT fk_orders_shippers FOREIGN KEY(ship_via) REFERENCES shippers (shipper_id)
);
CREATE TABLE products (
    product_id SMALLINT NOT NULL,
    product_name VARCHAR(40) NOT NULL,
    supplier_id SMALLINT,
    category_id SMALLINT,
    quantity_per_unit VARCHAR(20),
    unit_price REAL,
    units_in_stock SMALLINT,
    units_on_order SMALLINT,
    reorder_level SMALLINT,
    discontinued INTEGER NOT NULL,
    CONSTRAINT pk_products PRIMARY KEY (product_id),
    CONSTRAINT fk_products_categories FOREIGN KEY(category_id) REFERENCES categories (category_id),
    CONSTRAINT fk_products_suppliers FOREIGN KEY(supplier_id) REFERENCES suppliers (supplier_id)
);
CREATE TABLE territories (
    territory_id VARCHAR(20) NOT NULL,
    territory_description VARCHAR(60) NOT NULL,
    region_id SMALLINT NOT NULL,
    CONSTRAINT pk_territories PRIMARY KEY (territory_id),
    CONSTRAINT fk_territories_region FOREIGN KEY(region_id) REFERENCES region (region_id)
);
CREATE TABLE employee_territories (
    employee_id SMALLINT NOT NULL,
    territory_id VARCHAR(20) NOT NULL,
    CONSTRAINT pk_employee_territories PRIMARY KEY (employee_id, territory_id),
    CONSTRAINT fk_employee_territories_employees FOREIGN KEY(employee_id) REFERENCES employees (employee_id),
    CONSTRAINT fk_employee_territories_territories FOREIGN KEY(territory_id) REFERENCES territories (territory_id)
);
CREATE TABLE order_details (
    order_id SMALLINT NOT NULL,
    product_id SMALLINT NOT NULL,
    unit_price REAL NOT NULL,
    quantity SMALLINT NOT NULL,
    discount REAL NOT NULL,
    CONSTRAINT pk_order_details PRIMARY KEY (order_id, product_id),
    CONSTRAINT fk_order_details_orders FOREIGN KEY(order_id) REFERENCES orders (order_id),
    CONSTRAINT fk_order_details_products FOREIGN KEY(product_id) REFERENCES products (product_id)
);
INSERT INTO categories (category_id, category_name, description) VALUES (1, 'Beverages', 'Soft drinks, coffees, teas, beers, and ales');
INSERT INTO categories (category_id, category_name, description) VALUES (2, 'Condiments', 'Sweet and savory sauces, relishes, spreads, and seasonings');
INSERT INTO categories (category_id, category_name, description) VALUES (4, 'Dairy Products', 'Cheeses');
INSERT INTO categories (category_id, category_name, description) VALUES (5, 'Grains/Cereals', 'Breads, crackers, pasta, and cereal');
INSERT INTO categories (category_id, category_name, description) VALUES (7, 'Produce', 'Dried fruit and bean curd');
INSERT INTO customers (customer_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone, fax) VALUES ('TOMSP', 'Toms Spezialitäten', 'Karin Josephs', 'Marketing Manager', 'Luisenstr. 48', 'Münster', '44087', 'Germany', '0251-031259', '0251-035695');
INSERT INTO customers (customer_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone, fax) VALUES ('VINET', 'Vins et alcools Chevalier', 'Paul Henriot', 'Accounting Manager', '59 rue de l''Abbaye', 'Reims', '51100', 'France', '26.47.15.10', '26.47.15.11');
INSERT INTO employees (employee_id, last_name, first_name, title, title_of_courtesy, birth_date, hire_date, address, city, region, postal_code, country, home_phone, extension, notes, photo_path) VALUES (2, 'Fuller', 'Andrew', 'Vice President, Sales', 'Dr.', '1952-02-19', '1992-08-14', '908 W. Capital Way', 'Tacoma', 'WA', '98401', 'USA', '(206) 555-9482', '3457', 'Andrew received his BTS commercial in 1974 and a Ph.D. in international marketing from the University of Dallas in 1981.  He is fluent in French and Italian and reads German.  He joined the company as a sales representative, was promoted to sales manager in January 1992 and to vice president of sales in March 1993.  Andrew is a member of the Sales Management Roundtable, the Seattle Chamber of Commerce, and the Pacific Rim Importers Association.', 'http://accweb/emmployees/fuller.bmp');
INSERT INTO employees (employee_id, last_name, first_name, title, title_of_courtesy, birth_date, hire_date, address, city, postal_code, country, home_phone, extension, notes, reports_to, photo_path) VALUES (5, 'Buchanan', 'Steven', 'Sales Manager', 'Mr.', '1955-03-04', '1993-10-17', '14 Garrett Hill', 'London', 'SW1 8JR', 'UK', '(71) 555-4848', '3453', 'Steven Buchanan graduated from St. Andrews University, Scotland, with a BSC degree in 1976.  Upon joining the company as a sales representative in 1992, he spent 6 months in an orientation program at the Seattle office and then returned to his permanent post in London.  He was promoted to sales manager in March 1993.  Mr. Buchanan has completed the courses Successful Telemarketing and International Sales Management.  He is fluent in French.', 2, 'http://accweb/emmployees/buchanan.bmp');
INSERT INTO employees (employee_id, last_name, first_name, title, title_of_courtesy, birth_date, hire_date, address, city, postal_code, country, home_phone, extension, notes, reports_to, photo_path) VALUES (6, 'Suyama', 'Michael', 'Sales Representative', 'Mr.', '1963-07-02', '1993-10-17', 'Coventry House\nMiner Rd.', 'London', 'EC2 7JR', 'UK', '(71) 555-7773', '428', 'Michael is a graduate of Sussex University (MA, economics, 1983) and the University of California at Los Angeles (MBA, marketing, 1986).  He has also taken the courses Multi-Cultural Selling and Time Management for the Sales Professional.  He is fluent in Japanese and can read and write French, Portuguese, and Spanish.', 5, 'http://accweb/emmployees/davolio.bmp');
INSERT INTO employees (employee_id, last_name, first_name, title, title_of_courtesy, birth_date, hire_date, address, city, region, postal_code, country, home_phone, extension, notes, reports_to, photo_path) VALUES (1, 'Davolio', 'Nancy', 'Sales Representative', 'Ms.', '1948-12-08', '1992-05-01', '507 - 20th Ave. E.\nApt. 2A', 'Seattle', 'WA', '98122', 'USA', '(206) 555-9857', '5467', 'Education includes a BA in psychology from Colorado State University in 1970.  She also completed The Art of the Cold Call.  Nancy is a member of Toastmasters International.', 2, 'http://accweb/emmployees/davolio.bmp');
INSERT INTO region (region_id, region_description) VALUES (1, 'Eastern');
INSERT INTO shippers (shipper_id, company_name, phone) VALUES (1, 'Speedy Express', '(503) 555-9831');
INSERT INTO shippers (shipper_id, company_name, phone) VALUES (3, 'Federal Shipping', '(503) 555-9931');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone) VALUES (1, 'Exotic Liquids', 'Charlotte Cooper', 'Purchasing Manager', '49 Gilbert St.', 'London', 'EC1 4SD', 'UK', '(171) 555-2222');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, region, postal_code, country, phone) VALUES (5, 'Cooperativa de Quesos ''Las Cabras''', 'Antonio del Valle Saavedra', 'Export Administrator', 'Calle del Rosal 4', 'Oviedo', 'Asturias', '33007', 'Spain', '(98) 598 76 54');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone, homepage) VALUES (6, 'Mayumi''s', 'Mayumi Ohno', 'Marketing Representative', '92 Setsuko Chuo-ku', 'Osaka', '545', 'Japan', '(06) 431-7877', 'Mayumi''s (on the World Wide Web)#http://www.microsoft.com/accessdev/sampleapps/mayumi.htm#');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone) VALUES (8, 'Specialty Biscuits, Ltd.', 'Peter Wilson', 'Sales Representative', '29 King''s Way', 'Manchester', 'M14 GSD', 'UK', '(161) 555-4448');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone, fax, homepage) VALUES (14, 'Formaggi Fortini s.r.l.', 'Elio Rossi', 'Sales Representative', 'Viale Dante, 75', 'Ravenna', '48100', 'Italy', '(0544) 60323', '(0544) 60603', '#FORMAGGI.HTM#');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, postal_code, country, phone) VALUES (20, 'Leka Trading', 'Chandra Leka', 'Owner', '471 Serangoon Loop, Suite #402', 'Singapore', '0512', 'Singapore', '555-8787');
INSERT INTO suppliers (supplier_id, company_name, contact_name, contact_title, address, city, region, postal_code, country, phone, fax, homepage) VALUES (24, 'G''day, Mate', 'Wendy Mackenzie', 'Sales Representative', '170 Prince Edward Parade Hunter''s Hill', 'Sydney', 'NSW', '2042', 'Australia', '(02) 555-5914', '(02) 555-4873', 'G''day Mate (on the World Wide Web)#http://www.microsoft.com/accessdev/sampleapps/gdaymate.htm#');
INSERT INTO us_states (state_id, state_name, state_abbr, state_region) VALUES (1, 'Alabama', 'AL', 'south');
INSERT INTO us_states (state_id, state_name, state_abbr, state_region) VALUES (2, 'Alaska', 'AK', 'north');
INSERT INTO orders (order_id, customer_id, employee_id, order_date, required_date, shipped_date, ship_via, freight, ship_name, ship_address, ship_city, ship_postal_code, ship_country) VALUES (10248, 'VINET', 5, '1996-07-04', '1996-08-01', '1996-07-16', 3, 32.38, 'Vins et alcools Chevalier', '59 rue de l''Abbaye', 'Reims', '51100', 'France');
INSERT INTO orders (order_id, customer_id, employee_id, order_date, required_date, shipped_date, ship_via, freight, ship_name, ship_address, ship_city, ship_postal_code, ship_country) VALUES (10249, 'TOMSP', 6, '1996-07-05', '1996-08-16', '1996-07-10', 1, 11.61, 'Toms Spezialitäten', 'Luisenstr. 48', 'Münster', '44087', 'Germany');
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (1, 'Chai', 8, 1, '10 boxes x 30 bags', 18.0, 39, 0, 10, 1);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (2, 'Chang', 1, 1, '24 - 12 oz bottles', 19.0, 17, 40, 25, 1);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (3, 'Aniseed Syrup', 1, 2, '12 - 550 ml bottles', 10.0, 13, 70, 25, 0);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (11, 'Queso Cabrales', 5, 4, '1 kg pkg.', 21.0, 22, 30, 30, 0);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (14, 'Tofu', 6, 7, '40 - 100 g pkgs.', 23.25, 35, 0, 0, 0);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (42, 'Singaporean Hokkien Fried Mee', 20, 5, '32 - 1 kg pkgs.', 14.0, 26, 0, 0, 1);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (51, 'Manjimup Dried Apples', 24, 7, '50 - 300 g pkgs.', 53.0, 20, 0, 10, 0);
INSERT INTO products (product_id, product_name, supplier_id, category_id, quantity_per_unit, unit_price, units_in_stock, units_on_order, reorder_level, discontinued) VALUES (72, 'Mozzarella di Giovanni', 14, 4, '24 - 200 g pkgs.', 34.8, 14, 0, 0, 0);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('01581', 'Westboro', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('01730', 'Bedford', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('01833', 'Georgetow', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('02116', 'Boston', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('02139', 'Cambridge', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('02184', 'Braintree', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('06897', 'Wilton', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('19713', 'Neward', 1);
INSERT INTO territories (territory_id, territory_description, region_id) VALUES ('40222', 'Louisville', 1);
INSERT INTO employee_territories (employee_id, territory_id) VALUES (1, '06897');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (1, '19713');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '01581');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '01730');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '01833');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '02116');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '02139');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '02184');
INSERT INTO employee_territories (employee_id, territory_id) VALUES (2, '40222');
INSERT INTO order_details (order_id, product_id, unit_price, quantity, discount) VALUES (10248, 11, 14.0, 12, 0.0);
INSERT INTO order_details (order_id, product_id, unit_price, quantity, discount) VALUES (10248, 42, 9.8, 10, 0.0);
INSERT INTO order_details (order_id, product_id, unit_price, quantity, discount) VALUES (10248, 72, 34.8, 5, 0.0);
INSERT INTO order_details (order_id, product_id, unit_price, quantity, discount) VALUES (10249, 14, 18.6, 9, 0.0);
INSERT INTO order_details (order_id, product_id, unit_price, quantity, discount) VALUES (10249, 51, 42.4, 40, 0.0);
