module meetref.example/journal-reader

go 1.21
