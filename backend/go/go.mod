module parlor/backend

go 1.25.0
