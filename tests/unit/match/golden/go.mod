module tailrace/golden

go 1.21
